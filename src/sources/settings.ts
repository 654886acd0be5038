import type { KeyTypeName } from "../x509/key-families.ts"

/**
 * `secrets:` and `store:` as a program writes them. By hand, so that a reader sees what there is; a test keeps them equal
 * to the schemas. Relative paths are relative to `purser.yaml`, or to the working directory of a program; `~/` is the home
 * directory.
 */

/** Where one secret comes from, or, under a pattern, many. */
export type SourceSettings =
  | "store"
  | FileSourceSettings
  | DirSourceSettings
  | EnvSourceSettings
  | ExecSourceSettings
  | AgeSourceSettings
  | CaSourceSettings

/** The bytes of a file. Links are followed. */
export interface FileSourceSettings {
  readonly file: string
}

/** Every file below a directory, by its relative name; only under a pattern such as `quotes/*`. */
export interface DirSourceSettings {
  readonly dir: string
}

/** A variable of the agent's environment. An empty one counts as absent. An agent of `createAgent` has none. */
export interface EnvSourceSettings {
  readonly env: string
}

/** The output of a command, without the newline at its end. It runs without a shell. */
export interface ExecSourceSettings {
  /** Program and arguments; one at least. */
  readonly exec: readonly string[]
  /** Picks `a.b` from output in JSON or YAML. */
  readonly key?: string | undefined
  /** Keep the newline at the end. Default: false. Not together with `key`. */
  readonly raw?: boolean | undefined
  /** Time limit: a number and a unit (`ms`, `s`, `m`, `h`, `d`). Default: `30s`. */
  readonly timeout?: string | undefined
}

/** A file that is encrypted with age, armored or not. */
export interface AgeSourceSettings {
  readonly age: string
  /** Holds the age identities that open it, one a line. */
  readonly identity_file: string
}

/** A certificate of the host's own CA: `tls.crt`, `tls.key` and `ca.crt` below the name of the entry. */
export interface CaSourceSettings {
  /** Name of the certificate in the CA. */
  readonly ca: string
  /** Host names. With any name of these three kinds the agent issues and renews the certificate by itself. */
  readonly dns?: readonly string[] | undefined
  /** IP addresses. */
  readonly ip?: readonly string[] | undefined
  /** Mail addresses. */
  readonly email?: readonly string[] | undefined
  /** Whether it may prove a client too. Default: false. */
  readonly client?: boolean | undefined
  /** How long it is valid, 1 to 3650 days. Default: `days.leaf` of the CA. */
  readonly days?: number | undefined
  /** Default: `keys.leaf` of the CA. */
  readonly key?: KeyTypeName | undefined
}

/** How Purser's own store is encrypted. Default: by a plain `store.key` in the state directory. */
export interface StoreSettings {
  /** A file with the passphrase of `store.key`. */
  readonly passphrase_file?: string | undefined
  /** The user's own age recipients (`age1…`), in the place of `store.key`. Needs `identity_file`. */
  readonly recipients?: readonly string[] | undefined
  /** A file with age identities that open what the recipients can open. Needs `recipients`. */
  readonly identity_file?: string | undefined
}
