import { X509Certificate } from "node:crypto"
import { mkdir } from "node:fs/promises"
import { resolve } from "node:path"
import type { ResolvedConfig } from "../../wiring/resolved-config.ts"
import { replaceFile } from "../../base/atomic-file.ts"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import { ensureStateDir } from "../../state/state-dir.ts"
import type { CertificateSpec } from "../../ca/certificate-spec.ts"
import type { Ca } from "../../ca/ca.ts"
import type { KeyTypeName } from "../../x509/key-families.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"
import { readBounded } from "../../sources/bounded-read.ts"
import type { Context } from "../command.ts"
import { commandConfig } from "../load-config.ts"
import { openCommandCa, type CaFlags } from "./open.ts"
import { readStdin } from "../prompt.ts"

/** What the commands below `purser ca` share. */

const maxInputBytes = 2 ** 20

export async function withCa<T>(
  context: Context,
  flags: CaFlags,
  work: (ca: Ca, config: ResolvedConfig) => Promise<T>,
): Promise<T> {
  const config = await commandConfig(context)
  await ensureStateDir(config.stateDir)
  await using ca = openCommandCa(config, context, flags)
  return await work(ca, config)
}

export interface NameFlags {
  readonly dns?: readonly string[]
  readonly ip?: readonly string[]
  readonly email?: readonly string[]
  readonly client?: boolean
  readonly days?: number
  readonly key?: KeyTypeName
}

export function askOf({
  dns = [],
  ip = [],
  email = [],
  client = false,
  days,
  key,
}: NameFlags): CertificateSpec {
  return {
    dns,
    ip,
    email,
    client,
    ...(days === undefined ? {} : { days }),
    ...(key === undefined ? {} : { key }),
  }
}

/** What `--json` says of a certificate. Dates as ISO 8601. */
export function factsOf(record: CertificateRecord) {
  const { validFromDate, validToDate } = new X509Certificate(record.certificate)
  const { dns, ip, email } = record.ask
  return {
    name: record.name,
    serial: record.serial,
    notBefore: validFromDate.toISOString(),
    notAfter: validToDate.toISOString(),
    names: [...dns, ...ip, ...email],
    origin: record.origin,
    hasKey: record.hasKey,
  }
}

/** The newest that can be used; by serial that one. Throws `ERR_CA`, `ERR_WAITING`. */
export async function findRecord(ca: Ca, nameOrSerial: string): Promise<CertificateRecord> {
  const record = await ca.find(nameOrSerial)
  if (record !== null) return record
  const listed = (await ca.list({ all: false })).filter(({ name }) => name === nameOrSerial)
  const shown = quote(nameOrSerial)
  if (listed.some(({ state }) => state === "waiting")) {
    throw new PurserError("ERR_WAITING", `the request for ${shown} has not been answered yet`, {
      hint: "purser ca import FILE… takes the answer",
    })
  }
  const [last] = listed
  if (last === undefined) {
    throw new PurserError("ERR_CA", `there is no certificate ${shown}`, {
      hint: "purser ca ls shows those that there are",
    })
  }
  throw new PurserError("ERR_CA", `the certificate ${shown} is ${last.state}`, {
    hint: last.origin === "imported" ? `purser ca request ${last.name}` : `purser ca renew ${last.name}`,
  })
}

/** A file, or standard input for `-`. Throws `ERR_SOURCE`. */
export async function readInput(context: Context, file: string): Promise<Buffer> {
  const bytes =
    file === "-" ? await readStdin(context, maxInputBytes) : await readBounded(file, maxInputBytes)
  if (bytes === null) throw new PurserError("ERR_SOURCE", `there is no file ${quote(file)}`)
  return bytes
}

/** For keys, so nobody else's. Throws `ERR_TARGET`. */
export async function makeOutputDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new PurserError("ERR_TARGET", `cannot make the directory ${quote(directory)}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

/** What anybody may read: certificates, requests, lists. Throws `ERR_TARGET`. */
export async function writePublicFile(file: string, content: string | Uint8Array): Promise<void> {
  try {
    await replaceFile(resolve(file), Buffer.from(content), { mode: 0o644 })
  } catch (error) {
    throw new PurserError("ERR_TARGET", `cannot write ${quote(file)}: ${reasonOf(error)}`, { cause: error })
  }
}

/** `2027-02-21T09:30:00Z` */
export function shownDate(date: Date | string): string {
  return new Date(date).toISOString().replace(/\.\d+Z$/, "Z")
}

/** The same of a root or an intermediate. */
export function factsOfAuthority(certificate: X509Certificate) {
  const { subject, serialNumber, fingerprint256, validFromDate, validToDate } = certificate
  return {
    subject,
    serial: serialNumber.toLowerCase().padStart(32, "0"),
    sha256: fingerprint256.replaceAll(":", "").toLowerCase(),
    notBefore: validFromDate.toISOString(),
    notAfter: validToDate.toISOString(),
  }
}
