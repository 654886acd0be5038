import type { Secret } from "../base/secret.ts"

/**
 * Where the keys of certificates lie, each under its public key's id: the store of secrets in a directory of its own.
 * What is read and set is PKCS#8 PEM; what lies on the disk is encrypted.
 */
export interface KeyStore {
  /** Null when it is not there. */
  read(id: string): Promise<Secret | null>
  set(id: string, key: Secret, signal: AbortSignal): Promise<void>
  /** False when there was none. */
  remove(id: string, signal: AbortSignal): Promise<boolean>
}
