import type { Secret } from "../base/secret.ts"

/**
 * A source is where secrets come from. It reads what is asked for by name and
 * keeps nothing; which app may ask for what is decided elsewhere.
 */
export interface Source {
  /**
   * Null when the source does not have it. `name` is what the source calls it: for
   * a pattern `quotes/*` over a directory, the part after `quotes/`.
   * Throws `ERR_SOURCE`, `ERR_SECRET_TOO_LARGE` or `ERR_STORE`.
   */
  read(name: string, signal: AbortSignal): Promise<Secret | null>
  /**
   * Reads secrets that are delivered together, by the names of {@link read}, all of one version. Only sources whose
   * secrets belong together.
   */
  readGroup?(signal: AbortSignal): Promise<ReadonlyMap<string, Secret>>
  /**
   * In the place of {@link read} where that would change something: proves that reading can succeed. Undefined where
   * the content is not there yet, and would be made.
   */
  check?(name: string, signal: AbortSignal): Promise<Secret | null | undefined>
  /** Every name that it has now, sorted. Only sources that hold many. */
  list?(signal: AbortSignal): Promise<string[]>
  /** Tells what may have changed, by name, or undefined for anything. Only sources that can be watched. */
  watch?(onChange: (name?: string) => void): Promise<AsyncDisposable>
}
