import type { KeyTypeName } from "../x509/key-families.ts"

/**
 * `secrets:` and `store:` as a program writes them. They are written by hand so that a reader sees every key; a test
 * keeps them equal to the schemas. Relative paths are relative to `purser.yaml`, or to a program's working directory;
 * `~/` is the home directory.
 */

/** The source of one secret or, under a pattern, of many. */
export type SourceSettings =
  | "store"
  | FileSourceSettings
  | DirSourceSettings
  | EnvSourceSettings
  | ExecSourceSettings
  | AgeSourceSettings
  | CaSourceSettings

/** The content of a file. Links are followed. */
export interface FileSourceSettings {
  readonly file: string
}

/** Every file below a directory, by its relative name; only under a pattern such as `quotes/*`. */
export interface DirSourceSettings {
  readonly dir: string
}

/**
 * A variable of the agent's environment. An empty one counts as absent. An agent made by `createAgent` has an empty
 * environment.
 */
export interface EnvSourceSettings {
  readonly env: string
}

/** The output of a command, without the newline at its end. It runs without a shell. */
export interface ExecSourceSettings {
  /** Program and arguments; at least one element. */
  readonly exec: readonly string[]
  /** Picks `a.b` from output in JSON or YAML. */
  readonly key?: string | undefined
  /** Whether to keep the newline at the end of the output. Default: false. Excludes `key`. */
  readonly raw?: boolean | undefined
  /** Time limit: a number and a unit (`ms`, `s`, `m`, `h`, `d`). Default: `30s`. */
  readonly timeout?: string | undefined
}

/** A file that is encrypted with age, armored or not. */
export interface AgeSourceSettings {
  readonly age: string
  /** A file with the age identities to decrypt it, one per line. */
  readonly identity_file: string
}

/** A certificate of this host's CA: `tls.crt`, `tls.key` and `ca.crt` below the name of the entry. */
export interface CaSourceSettings {
  /** Name of the certificate in the CA. */
  readonly ca: string
  /** Host names. A certificate with any name in `dns`, `ip` or `email` is issued and renewed by the agent. */
  readonly dns?: readonly string[] | undefined
  /** IP addresses. */
  readonly ip?: readonly string[] | undefined
  /** Mail addresses. */
  readonly email?: readonly string[] | undefined
  /** Whether the certificate is also valid for clients. Default: false. */
  readonly client?: boolean | undefined
  /** Lifetime, 1 to 3650 days. Default: `days.leaf` of the CA. */
  readonly days?: number | undefined
  /** Key type. Default: `keys.leaf` of the CA. */
  readonly key?: KeyTypeName | undefined
}

/** The encryption of Purser's own store. Default: a plain `store.key` in the state directory. */
export interface StoreSettings {
  /** A file with the passphrase of `store.key`. */
  readonly passphrase_file?: string | undefined
  /** The user's own age recipients (`age1…`), instead of `store.key`. Requires `identity_file`. */
  readonly recipients?: readonly string[] | undefined
  /** A file with age identities that decrypt what is encrypted to `recipients`. Requires `recipients`. */
  readonly identity_file?: string | undefined
}
