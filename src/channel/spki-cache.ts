import { createHash, type X509Certificate } from "node:crypto"
import { spkiOfCertificate } from "./pin.ts"

/**
 * Caches the SHA-256 of certificates' SPKI, because extracting a key takes a
 * twentieth of a handshake's time and the same peers connect again and again.
 * The key of the cache is the SHA-256 of the whole certificate, so only the
 * very same bytes hit it.
 */
export class SpkiCache {
  readonly #most: number
  readonly #hashes = new Map<string, Buffer>()

  /** Drops the oldest entry when it holds `most`. */
  constructor(most: number) {
    this.#most = most
  }

  /** Returns the SHA-256 of the certificate's SPKI, or undefined if its key is not a P-256 key. */
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
