import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { CaConfig, Policy } from "./config.ts"
import type { KeyStore } from "./key-store.ts"
import type { CertificateRecord } from "./records/record.ts"

/**
 * The CA of a state directory: what it has issued, signed for others, or got from other CAs. Every change holds the
 * lock of `ca/`; of each, writing one file is the moment from which it counts, and the index follows. Reading takes
 * no lock.
 */

export interface CaOptions {
  stateDir: string
  config: CaConfig
  keys: KeyStore
  /** `new`: for a key that is made now. `open`: of one that is there. Null when nobody can be asked. */
  passphrase: (of: "root" | "intermediate", purpose: "new" | "open") => Promise<Secret | null>
  /** The file of a root's key that is kept off-line. Default: `ca/root.key` in the state directory. */
  rootKeyFile?: string | undefined
  log: Log
  now?: (() => Date) | undefined
  /** Called between the steps of a change; tests end the process there. */
  step?: ((name: string) => void) | undefined
}

export interface IssueOptions {
  /** Shorten what would outlive the issuer, instead of refusing it. */
  cap?: boolean | undefined
  /** Asked under the lock: what it finds is given back, and nothing issued. Of many who want the same, one issues. */
  instead?: (() => Promise<CertificateRecord | null>) | undefined
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
