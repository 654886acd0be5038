/** The rows of the index. Times are in milliseconds since 1970. */

export interface IndexedCertificate {
  readonly id: string
  readonly serial: string
  readonly name: string
  readonly notBefore: number
  readonly notAfter: number
  /** JSON. */
  readonly names: string
  readonly origin: string
  readonly hasKey: number
  readonly keyType: string
  readonly keyId: string
  /** Serial of the intermediate that signed it; empty for an imported certificate. */
  readonly issuer: string
  readonly at: number
}

export interface IndexedRequest {
  readonly id: string
  readonly name: string
  /** JSON. */
  readonly names: string
  readonly keyType: string
  readonly at: number
}

export interface IndexedRevocation {
  readonly serial: string
  readonly at: number
  readonly reason: string
}

/** A certificate with its position among those of its name, and its revocation. */
export interface ListedRow extends IndexedCertificate {
  /** 1 for the newest of its name. */
  readonly place: number
  readonly revokedAt: number | null
}

/** A revocation with its certificate's issuer and expiry; null if there is no such record. */
export interface ListedRevocation extends IndexedRevocation {
  readonly issuer: string | null
  readonly notAfter: number | null
}

export type Table = "certificates" | "requests" | "revocations"
