import { createPrivateKey, X509Certificate } from "node:crypto"
import { open, rename, rm, stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { createFlags, syncDirectory, temporaryIn } from "../base/atomic-file.ts"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import type { CertificateRecord } from "./records/record.ts"

/**
 * Writes a certificate, its key and its chain in the formats that programs read. All files are written under temporary
 * names, 0600, before the first is renamed, so that a failure to write leaves the old key and certificate together.
 */

export type OutputFormat = "pem" | "p12" | "truststore"

export interface CertificateOutputOptions {
  /** Must exist. */
  readonly directory: string
  readonly formats: readonly OutputFormat[]
  /** Required for `p12` and `truststore`. */
  readonly password?: Secret
  /** Use 3DES and SHA-1, for importers that do not support AES. */
  readonly legacy?: boolean
}

/**
 * `key`: PKCS#8 PEM, null if it is kept elsewhere; `root`: PEM. Resolves with the written paths. Throws `ERR_CA` if the
 * directory cannot be written, or if a PKCS#12 file is wanted but the key is null; an error before the first rename changes nothing there.
 */
export async function writeOutputs(
  record: CertificateRecord,
  key: Secret | null,
  root: string,
  { directory, formats, password, legacy = false }: CertificateOutputOptions,
): Promise<readonly string[]> {
  const name = basename(record.name)
  const files = new Map<string, Buffer>()
  const add = (file: string, ...parts: readonly (string | Buffer)[]): void =>
    void files.set(file, Buffer.concat(parts.map((part) => Buffer.from(part))))
  const { certificate, chain } = record
  const isSelfSigned = root === certificate
  const above = chain.filter((pem) => pem !== root)
  if (formats.includes("pem")) {
    if (key !== null) add(`${name}.key`, key.reveal())
    add(`${name}.crt`, certificate)
    add(`${name}.chain.crt`, ...above)
    add(`${name}.fullchain.crt`, certificate, ...above)
    add(
      `${name}.pem`,
      ...(key === null ? [] : [key.reveal()]),
      certificate,
      ...above,
      ...(isSelfSigned ? [] : [root]),
    )
  }
  if (formats.includes("p12") || formats.includes("truststore")) {
    const { writePkcs12, writeTrustStore } = await import("./pkcs12.ts")
    if (password === undefined) throw new TypeError("p12 and truststore need a password")
    const der = (pem: string): Buffer => new X509Certificate(pem).raw
    if (formats.includes("p12")) {
      if (key === null) {
        throw new PurserError(
          "ERR_CA",
          `the key of ${record.name} is not in the key store, but a PKCS#12 file needs it`,
          {
            hint: "export without it: --format pem,truststore",
          },
        )
      }
      const certificates = [certificate, ...above].map(der)
      const options = {
        key: createPrivateKey(key.revealText()),
        certificates,
        friendlyName: record.name,
        password,
        legacy,
      }
      add(`${name}.p12`, await writePkcs12(options))
    }
    if (formats.includes("truststore")) {
      const certificates = [{ alias: "root", certificate: der(root) }]
      add("truststore.p12", await writeTrustStore({ certificates, password, legacy }))
    }
  }
  return await writeTogether(directory, files)
}

async function writeTogether(directory: string, files: ReadonlyMap<string, Buffer>): Promise<string[]> {
  const staged: { temporary: string; path: string }[] = []
  try {
    if (!(await stat(directory)).isDirectory())
      throw new PurserError("ERR_CA", `${directory} is not a directory`)
    for (const [name, bytes] of files) {
      const temporary = temporaryIn(directory)
      staged.push({ temporary, path: join(directory, name) })
      await using handle = await open(temporary, createFlags, 0o600)
      await handle.writeFile(bytes)
      await handle.sync()
    }
    for (const { temporary, path } of staged) await rename(temporary, path)
    await syncDirectory(directory)
  } catch (error) {
    for (const { temporary } of staged) await rm(temporary, { force: true }).catch(() => {})
    if (error instanceof PurserError) throw error
    const isAbsent = systemErrorCode(error) === "ENOENT"
    throw new PurserError(
      "ERR_CA",
      isAbsent ? `there is no directory ${directory}` : `cannot write into ${directory}: ${reasonOf(error)}`,
      { hint: isAbsent ? `mkdir -m 700 ${directory}` : undefined, cause: error },
    )
  }
  return staged.map(({ path }) => path)
}
