import { X509Certificate, createHash } from "node:crypto"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { Secret } from "../base/secret.ts"
import type { Check } from "./check.ts"

/** The SHA-256 of a leaf's DER, in hex. */
export interface Leaf {
  readonly sha256: string
}

export interface NamedContent {
  readonly name: string
  readonly content: Secret
}

/** The first certificate of a PEM or DER file; null when it holds none that can be read. */
export function leafIn(bytes: Buffer): Leaf | null {
  try {
    // X509Certificate reads the first PEM block only, so a key before the certificate is skipped.
    const at = bytes.indexOf("-----BEGIN CERTIFICATE-----")
    const { raw } = new X509Certificate(at > 0 ? bytes.subarray(at) : bytes)
    return leafOf(raw)
  } catch {
    return null
  }
}

/** The leaf that the service has to serve when these files are in place. Throws `ERR_CHECK` when no file holds a certificate. */
export function leafAmong({ file }: Pick<Check, "file">, files: readonly NamedContent[]): Leaf {
  const asked =
    file === undefined ? files : files.filter(({ name }) => name === file || name.endsWith(`/${file}`))
  const isUsual = ({ name }: NamedContent): boolean => /(^|\/)tls\.crt$/.test(name)
  for (const { content } of [...asked.filter(isUsual), ...asked]) {
    const leaf = leafIn(content.reveal())
    if (leaf !== null) return leaf
  }
  throw new PurserError(
    "ERR_CHECK",
    file === undefined
      ? "cannot check: no file holds a certificate"
      : `cannot check: no certificate in ${quote(file)}`,
    { hint: "set file=NAME of the check to the file with the certificate" },
  )
}

export type ExpectedLeaves = readonly (readonly [Check, Leaf])[]

/** The leaf that each check has to find when these files are in place. Throws `ERR_CHECK`. */
export function leavesAmong(checks: readonly Check[], files: readonly NamedContent[]): ExpectedLeaves {
  return checks.map((check) => [check, leafAmong(check, files)])
}

export function leafOf(der: Uint8Array): Leaf {
  return { sha256: createHash("sha256").update(der).digest("hex") }
}
