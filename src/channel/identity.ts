import type { Pin } from "./pin.ts"

/** A P-256 key with a self-signed certificate. Printing or serialising one shows the pin only. */
export interface Identity {
  /** PKCS#8 PEM; secret. */
  readonly keyPem: string
  readonly certificatePem: string
  /** 32 bytes. */
  readonly spkiSha256: Buffer
  readonly pin: Pin
}

/** A fresh one. */
export function createIdentity(): Identity {
  throw new Error("not written yet")
}

/** Throws `ERR_IDENTITY` when the file is damaged, absent, or can be read by others. */
export function loadIdentity(_file: string): Promise<Identity> {
  throw new Error("not written yet")
}

/** Loads the file, or creates it with mode 0600; of several processes that create it, one wins and all get its key. */
export function loadOrCreateIdentity(_file: string): Promise<Identity> {
  throw new Error("not written yet")
}
