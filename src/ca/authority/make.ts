import { createPublicKey, X509Certificate, type KeyObject } from "node:crypto"
import { pem } from "../../x509/der.ts"
import type { Secret } from "../../base/secret.ts"
import { newSerial, signCertificate, validity } from "../certificate.ts"
import type { CaConfig } from "../config.ts"
import { signCrl } from "../crl.ts"
import { generateKey, sealKey } from "../keys.ts"

/** Makes the certificates of root and intermediates, and the root's CRL. It writes no files. */

/** An intermediate with its opened key. */
export interface Signer {
  readonly certificate: X509Certificate
  readonly serial: string
  readonly pem: string
  readonly key: KeyObject
}

const skewMs = 5 * 60_000
const dayMs = 86_400_000

/** Makes the self-signed root. */
export function makeRoot(config: CaConfig, now: Date, key: KeyObject): X509Certificate {
  const serial = newSerial()
  // Times in certificates are whole seconds.
  const start = new Date(Math.floor((now.getTime() - skewMs) / 1000) * 1000)
  const der = signCertificate(
    {
      kind: "root",
      // The digits tell the roots of several hosts apart.
      subject: `${config.name} root ${serial.toString("hex").slice(0, 8)}`,
      publicKey: createPublicKey(key),
      serial,
      notBefore: start,
      notAfter: new Date(start.getTime() + config.days.root * dayMs),
      constraints: config.constraints,
      pathLength: config.pathLength,
    },
    key,
  )
  return new X509Certificate(der)
}

/** Makes an intermediate. `files`: the content of the files to write, by path below `ca/`. Throws `ERR_CLOCK`. */
export async function makeIntermediate(
  config: CaConfig,
  now: Date,
  { root, rootKey, passphrase }: { root: X509Certificate; rootKey: KeyObject; passphrase: Secret },
): Promise<{ files: Map<string, string>; signer: Signer }> {
  const key = await generateKey(config.keys.intermediate)
  const serial = newSerial()
  const hex = serial.toString("hex")
  const der = signCertificate(
    {
      kind: "intermediate",
      subject: `${config.name} issuer ${hex.slice(0, 8)}`,
      publicKey: createPublicKey(key),
      serial,
      ...validity(now, config.days.intermediate, root, { cap: true }),
      pathLength: config.pathLength - 1,
    },
    { certificate: root.raw, key: rootKey },
  )
  const text = pem("CERTIFICATE", der)
  const files = new Map([
    ["intermediate.crt", text],
    ["intermediate.key", await sealKey(key, passphrase)],
    [`intermediates/${hex}.crt`, text],
  ])
  return { files, signer: { certificate: new X509Certificate(der), serial: hex, pem: text, key } }
}

/** An intermediate that the root has revoked. */
export interface RevokedIntermediate {
  readonly serial: string
  readonly at: Date
}

/**
 * Signs the root's CRL; PEM. Verifiers that check every CA of a chain need it. The root's key is available only when an
 * intermediate is made, so the CRL is valid for as long as that intermediate.
 */
export function makeRootCrl(
  { root, rootKey, signer }: { root: X509Certificate; rootKey: KeyObject; signer: Signer },
  revoked: readonly RevokedIntermediate[],
  now: Date,
): string {
  const entries = revoked.map(({ serial, at }) => ({
    serial: Buffer.from(serial, "hex"),
    at,
    reason: "cACompromise",
  }))
  const days = Math.ceil((signer.certificate.validToDate.getTime() - now.getTime()) / dayMs)
  const number = Math.floor(now.getTime() / 1000)
  return pem("X509 CRL", signCrl(entries, number, now, days, { certificate: root.raw, key: rootKey }))
}
