import type { Secret } from "../base/secret.ts"

/**
 * Holds the keys of certificates, each under its public key's id: the store of secrets in a directory of its own.
 * Keys are read and set as PKCS#8 PEM; on the disk they are encrypted.
 */
export interface KeyStore {
  /** Null when it is not there. */
  read(id: string): Promise<Secret | null>
  set(id: string, key: Secret, signal: AbortSignal): Promise<void>
  /** False when there was none. */
  remove(id: string, signal: AbortSignal): Promise<boolean>
}
