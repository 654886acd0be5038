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

/** Functions that the commands below `purser ca` share: open the CA, read input, write files, describe certificates. */

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

/** The fields of a certificate in `--json` output. Dates are ISO 8601. */
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

/** The newest usable certificate of a name, or the one with a serial number. Throws `ERR_CA`, `ERR_WAITING`. */
export async function findRecord(ca: Ca, nameOrSerial: string): Promise<CertificateRecord> {
  const record = await ca.find(nameOrSerial)
  if (record !== null) return record
  const listed = (await ca.list({ all: false })).filter(({ name }) => name === nameOrSerial)
  const shown = quote(nameOrSerial)
  if (listed.some(({ state }) => state === "waiting")) {
    throw new PurserError("ERR_WAITING", `the request for ${shown} has not been answered yet`, {
      hint: "import the certificate: purser ca import FILE…",
    })
  }
  const [last] = listed
  if (last === undefined) {
    throw new PurserError("ERR_CA", `there is no certificate ${shown}`, {
      hint: "purser ca ls lists the certificates",
    })
  }
  throw new PurserError("ERR_CA", `the certificate ${shown} is ${last.state}`, {
    hint: last.origin === "imported" ? `purser ca request ${last.name}` : `purser ca renew ${last.name}`,
  })
}

/** Reads a file, or standard input for `-`, of at most 1 MiB. Throws `ERR_SOURCE`. */
export async function readInput(context: Context, file: string): Promise<Buffer> {
  const bytes =
    file === "-" ? await readStdin(context, maxInputBytes) : await readBounded(file, maxInputBytes)
  if (bytes === null) throw new PurserError("ERR_SOURCE", `there is no file ${quote(file)}`)
  return bytes
}

/** Makes a directory for private keys, mode 0700. Throws `ERR_TARGET`. */
export async function makeOutputDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new PurserError("ERR_TARGET", `cannot make the directory ${quote(directory)}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

/** Writes a file without secrets, mode 0644. Throws `ERR_TARGET`. */
export async function writePublicFile(file: string, content: string | Uint8Array): Promise<void> {
  try {
    await replaceFile(resolve(file), Buffer.from(content), { mode: 0o644 })
  } catch (error) {
    throw new PurserError("ERR_TARGET", `cannot write ${quote(file)}: ${reasonOf(error)}`, { cause: error })
  }
}

/** The time in whole seconds: `2027-02-21T09:30:00Z`. */
export function shownDate(date: Date | string): string {
  return new Date(date).toISOString().replace(/\.\d+Z$/, "Z")
}

/** The fields of a root or an intermediate in `--json` output. */
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
