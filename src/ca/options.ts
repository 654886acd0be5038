import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { CaConfig, Policy } from "./config.ts"
import type { KeyStore } from "./key-store.ts"
import type { CertificateRecord } from "./records/record.ts"

/**
 * Options of a CA and its operations. Every change holds the lock of `ca/` and takes effect when its record is written;
 * the index is updated afterwards. Reading takes the lock only to bring the index up to date.
 */

export interface CaOptions {
  stateDir: string
  config: CaConfig
  keys: KeyStore
  /** `new`: for a key that is being made; `open`: for an existing key. Null if there is no passphrase and no terminal. */
  passphrase: (of: "root" | "intermediate", purpose: "new" | "open") => Promise<Secret | null>
  /** File of a root key that is kept off-line. Default: `ca/root.key` in the state directory. */
  rootKeyFile?: string | undefined
  log: Log
  now?: (() => Date) | undefined
  /** Called between the steps of a change, where tests kill the process. */
  step?: ((name: string) => void) | undefined
}

export interface IssueOptions {
  /** Let a certificate that would outlive its issuer expire with it, instead of refusing it. */
  cap?: boolean | undefined
  /**
   * Called under the lock. A record that it returns is the result, and nothing is issued; so of several processes that
   * want the same certificate, only one issues it.
   */
  instead?: (() => Promise<CertificateRecord | null>) | undefined
}

export interface SignOptions {
  /** Checked in addition to the policy of the configuration. */
  policy?: Policy | undefined
  days?: number | undefined
  /** Let a certificate that would outlive its issuer expire with it, instead of refusing it. */
  cap?: boolean | undefined
  /** Add the purpose clientAuth. */
  client?: boolean | undefined
}
