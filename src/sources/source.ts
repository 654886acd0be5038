import type { Secret } from "../base/secret.ts"

/** A source reads secrets by name, and keeps none of them. It does not decide which app may have which secret. */
export interface Source {
  /**
   * Reads a secret, or returns null if the source does not have it. `name` is the source's own: for a pattern
   * `quotes/*` over a directory, the part after `quotes/`. Throws `ERR_SOURCE`, `ERR_SECRET_TOO_LARGE` or `ERR_STORE`.
   */
  read(name: string, signal: AbortSignal): Promise<Secret | null>
  /**
   * Reads all secrets that are delivered together, in one version, keyed by the names of {@link read}. Only for sources
   * whose secrets belong together.
   */
  readGroup?(signal: AbortSignal): Promise<ReadonlyMap<string, Secret>>
  /**
   * Proves that a read can succeed, for sources whose {@link read} may change something. Returns undefined for content
   * that does not exist yet and that a read would create.
   */
  check?(name: string, signal: AbortSignal): Promise<Secret | null | undefined>
  /** Returns every name that the source has now, sorted. Only for sources that hold many. */
  list?(signal: AbortSignal): Promise<string[]>
  /** Reports which names may have changed; undefined stands for any name. Only for sources that can be watched. */
  watch?(onChange: (name?: string) => void): Promise<AsyncDisposable>
}
