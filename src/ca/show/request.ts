import { createPublicKey, verify } from "node:crypto"
import { childrenOf, contentOf } from "../../x509/der-elements.ts"
import { readExtensions, type DescribedExtensions } from "./extensions.ts"
import { keyTypeText, pinText } from "./key.ts"
import { nameText, oidText } from "./name.ts"

/** Decodes certificate requests (PKCS#10, RFC 2986), including those that the CA would not sign. */

export interface DescribedRequest extends DescribedExtensions {
  readonly type: "request"
  readonly subject: string
  readonly keyType: string
  /** `unknown`: the signature algorithm is not supported. */
  readonly signature: "holds" | "does not hold" | "unknown"
  readonly pin: string
}

const hashes: Readonly<Record<string, string | null>> = {
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.2.840.113549.1.1.5": "sha1",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.3.101.112": null,
}

/** Throws for anything but a request. */
export function describeRequest(der: Buffer): DescribedRequest {
  const [info, algorithm, bits] = childrenOf(der)
  if (info?.[0] !== 0x30 || algorithm?.[0] !== 0x30 || bits?.[0] !== 0x03)
    throw new TypeError("not a request")
  const [, subject, spki, attributes] = childrenOf(info)
  if (subject === undefined || spki === undefined) throw new TypeError("not a request")
  const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" })
  const [id] = childrenOf(algorithm)
  if (id === undefined) throw new TypeError("not a request")
  const hash = hashes[oidText(id)]
  const holds = hash !== undefined && verify(hash, info, publicKey, contentOf(bits).subarray(1))
  return {
    type: "request",
    subject: nameText(subject),
    keyType: keyTypeText(publicKey),
    signature: hash === undefined ? "unknown" : holds ? "holds" : "does not hold",
    ...readExtensions(attributes === undefined ? [] : childrenOf(attributes).flatMap(extensionsIn)),
    pin: pinText(publicKey),
  }
}

function extensionsIn(attribute: Buffer): Buffer[] {
  const [type, values] = childrenOf(attribute)
  if (type === undefined || values === undefined) throw new TypeError("not an attribute")
  return oidText(type) === "1.2.840.113549.1.9.14" ? childrenOf(values) : []
}
