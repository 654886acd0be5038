/** One entry of `secrets:`, with paths made absolute. */
export type SourceSpec =
  | { readonly kind: "store" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "dir"; readonly path: string }
  | { readonly kind: "env"; readonly variable: string }
  | {
      readonly kind: "exec"
      readonly argv: readonly [string, ...string[]]
      /** Where it runs. */
      readonly directory: string
      readonly key?: string
      /** Keep the newline at the end of the output. */
      readonly raw: boolean
      readonly timeoutMs: number
    }
  | { readonly kind: "age"; readonly path: string; readonly identityFile: string }

/** `store:`, how Purser's own store is encrypted. Neither: by `store.key` in the state directory. */
export interface StoreConfig {
  /** Holds the passphrase of `store.key`. */
  readonly passphraseFile?: string
  /** The user's own age recipients, in the place of `store.key`. */
  readonly recipients?: readonly string[]
  /** Opens what was encrypted to `recipients`. */
  readonly identityFile?: string
}

/** All that the catalogue needs of the configuration. */
export interface SourcesConfig {
  /** By name, or by pattern (`quotes/*`, `*`). */
  readonly secrets: Readonly<Record<string, SourceSpec>>
  readonly store: StoreConfig
  /** Of one secret. */
  readonly secretBytes: number
}
