import type { CertificateSpec } from "../certificate-spec.ts"

/** A certificate that was issued here, signed for a key elsewhere, or imported: one file, never changed. */
export interface CertificateRecord {
  readonly version: 1
  /** Certificate name. */
  readonly name: string
  /** Lower-case hex; 32 digits unless imported. */
  readonly serial: string
  /** PEM. */
  readonly certificate: string
  /** PEM, the leaf's issuer first, without the root. */
  readonly chain: readonly string[]
  /** PEM of the other CA's root, or of the topmost known issuer, if imported; null for our root. */
  readonly root: string | null
  /** First 32 hex digits of the SHA-256 of the public key's SPKI. */
  readonly keyId: string
  /** True if the private key is in the key store. */
  readonly hasKey: boolean
  /** The request as it was made: `days` and `key` are absent if the configuration's defaults were used. */
  readonly ask: CertificateSpec
  readonly origin: Origin
  /** ISO 8601. Of two records of one name the later one is in use. */
  readonly at: string
}

export type Origin = "issued" | "signed" | "imported"

/** A pending CSR, sent to another CA. */
export interface CertificateRequest {
  readonly version: 1
  /** {@link CertificateRecord.keyId} */
  readonly id: string
  readonly name: string
  /** PEM. */
  readonly csr: string
  readonly ask: CertificateSpec
  /** ISO 8601. */
  readonly at: string
}

export type ListedState = "valid" | "due" | "expired" | "revoked" | "waiting" | "replaced"

/** A line of `purser ca ls`. */
export interface Listed {
  readonly name: string
  readonly state: ListedState
  /** `serial`, `notBefore` and `notAfter` are null for a pending request. */
  readonly serial: string | null
  readonly notBefore: Date | null
  readonly notAfter: Date | null
  readonly names: readonly string[]
  readonly origin: Origin | "requested"
  readonly hasKey: boolean
  readonly keyType: string
}
