import type { Secret } from "../base/secret.ts"

/**
 * Holds the private keys of certificates, each under its key id (`keyId`). Keys are read and set as PKCS#8 PEM, and
 * encrypted on disk.
 */
export interface KeyStore {
  /** Null if there is no such key. */
  read(id: string): Promise<Secret | null>
  set(id: string, key: Secret, signal: AbortSignal): Promise<void>
  /** False if there was no such key. */
  remove(id: string, signal: AbortSignal): Promise<boolean>
}
