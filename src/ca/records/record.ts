import type { CertificateSpec } from "../certificate-spec.ts"

/** A certificate that was issued here, signed for somebody, or imported: one file, written once. */
export interface CertificateRecord {
  readonly version: 1
  /** Certificate name. */
  readonly name: string
  /** Lower-case hex; 32 digits for ours. */
  readonly serial: string
  /** PEM. */
  readonly certificate: string
  /** PEM, the leaf's issuer first, without the root. */
  readonly chain: readonly string[]
  /** PEM of the root where it is not ours (imported). */
  readonly root: string | null
  /** First 32 hex digits of the SHA-256 of the public key's SPKI. */
  readonly keyId: string
  /** True if the private key is in the key store. */
  readonly hasKey: boolean
  /** As it was asked for: days and key are absent where the configuration's defaults were taken. */
  readonly ask: CertificateSpec
  readonly origin: Origin
  /** ISO 8601. Of two records of one name the later one counts. */
  readonly at: string
}

export type Origin = "issued" | "signed" | "imported"

/** A CSR that waits for the answer of another CA. */
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
  /** These three are null for a request that waits. */
  readonly serial: string | null
  readonly notBefore: Date | null
  readonly notAfter: Date | null
  readonly names: readonly string[]
  readonly origin: Origin | "requested"
  readonly hasKey: boolean
  readonly keyType: string
}
