import type { X509Certificate } from "node:crypto"
import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { Ask } from "./ask.ts"
import type { CaConfig, Policy } from "./config.ts"
import type { KeyStore } from "./key-store.ts"
import type { CertificateRecord, CertificateRequest, Listed } from "./record.ts"

export interface CaOptions {
  stateDir: string
  config: CaConfig
  keys: KeyStore
  /** `new`: for a key that is made now, asked twice. `open`: of one that is there. Null when nobody can be asked. */
  passphrase: (of: "root" | "intermediate", purpose: "new" | "open") => Promise<Secret | null>
  /** Where the root's key is when it is kept off-line; else `ca/root.key` in the state directory. */
  rootKeyFile?: string | undefined
  log: Log
  now?: (() => Date) | undefined
  /** Called between the steps of a change; tests end the process there. */
  step?: ((name: string) => void) | undefined
}

export interface SignOptions {
  /** Must allow it too, besides the configuration's. */
  policy?: Policy | undefined
  days?: number | undefined
  /** Shorten what would outlive the issuer, instead of refusing it. */
  cap?: boolean | undefined
  /** For a client too. */
  client?: boolean | undefined
}

/* eslint-disable */
export class Ca {
  constructor(options: CaOptions) {}
  /** Whether there is a CA of our own: without one, requests and imports work all the same. */
  async exists(): Promise<boolean> { throw new Error("not yet") }
  async init(signal: AbortSignal): Promise<{ root: X509Certificate; intermediate: X509Certificate }> { throw new Error("not yet") }
  async renewIntermediate(signal: AbortSignal): Promise<X509Certificate> { throw new Error("not yet") }
  async issue(name: string, ask: Ask, options: { cap?: boolean | undefined }, signal: AbortSignal): Promise<CertificateRecord> { throw new Error("not yet") }
  async sign(name: string, csr: Buffer, options: SignOptions, signal: AbortSignal): Promise<CertificateRecord> { throw new Error("not yet") }
  async renew(name: string, signal: AbortSignal): Promise<CertificateRecord> { throw new Error("not yet") }
  async revoke(nameOrSerial: string, reason: string, signal: AbortSignal): Promise<CertificateRecord> { throw new Error("not yet") }
  /** DER. */
  async crl(signal: AbortSignal): Promise<Buffer> { throw new Error("not yet") }
  /** Not `all`: the newest of each name, and what waits. Sorted by name. */
  async list(options: { all: boolean }): Promise<readonly Listed[]> { throw new Error("not yet") }
  /** By name: the newest that has not expired, null when that was revoked. By serial: that one, whatever its state. */
  async find(nameOrSerial: string): Promise<CertificateRecord | null> { throw new Error("not yet") }
  /** PKCS#8 PEM; null when we do not have it. */
  async keyOf(record: Pick<CertificateRecord, "keyId">): Promise<Secret | null> { throw new Error("not yet") }
  /** Takes the place of the request with this key, if one waits. The key must be in the key store by then if `hasKey`. */
  async addImported(record: CertificateRecord, signal: AbortSignal): Promise<void> { throw new Error("not yet") }
  /** Key first, then the request: a request never waits for an answer that nobody could use. */
  async addRequest(request: CertificateRequest, key: Secret, signal: AbortSignal): Promise<void> { throw new Error("not yet") }
  /** Sorted by name. */
  async requests(): Promise<readonly CertificateRequest[]> { throw new Error("not yet") }
  /** Forgets it and its key. False when there is none. */
  async removeRequest(id: string, signal: AbortSignal): Promise<boolean> { throw new Error("not yet") }
  /** PEM. */
  async root(): Promise<string> { throw new Error("not yet") }
  /** PEM: the root, and every intermediate that has not expired. */
  async bundle(): Promise<string> { throw new Error("not yet") }
  /** Builds the index anew from the files. Resolves with the number of records. */
  async reindex(signal: AbortSignal): Promise<number> { throw new Error("not yet") }
  /** Proves that the passphrase opens the intermediate's key, and keeps the key in memory. */
  async unlock(signal: AbortSignal): Promise<void> { throw new Error("not yet") }
  /** Other processes issue too. The name is undefined where it cannot be told. */
  async watch(onChange: (name: string | undefined) => void, log: Log): Promise<AsyncDisposable> { throw new Error("not yet") }
  async [Symbol.asyncDispose](): Promise<void> {}
}
