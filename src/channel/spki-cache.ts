import { createHash, type X509Certificate } from "node:crypto"
import { spkiOfCertificate } from "./pin.ts"

/**
 * SHA-256 of the SPKI of certificates seen before. Getting a key out of a
 * certificate takes a twentieth of a whole handshake's time, and the same
 * peers come again and again. Remembers whole certificates by their own
 * SHA-256, so nothing but the very same bytes is ever taken for known.
 */
export class SpkiCache {
  readonly #most: number
  readonly #hashes = new Map<string, Buffer>()

  /** Forgets the oldest when it holds `most`. */
  constructor(most: number) {
    this.#most = most
  }

  /** Undefined when the key is not a P-256 key. */
  spkiSha256Of(certificate: X509Certificate): Buffer | undefined {
    const { fingerprint256 } = certificate
    const known = this.#hashes.get(fingerprint256)
    if (known !== undefined) return known
    const spki = spkiOfCertificate(certificate)
    if (spki === undefined) return undefined
    const hash = createHash("sha256").update(spki).digest()
    const [oldest] = this.#hashes.keys()
    if (oldest !== undefined && this.#hashes.size >= this.#most) this.#hashes.delete(oldest)
    this.#hashes.set(fingerprint256, hash)
    return hash
  }
}
