import { untilAborted } from "../../base/abort.ts"
import type { Secret } from "../../base/secret.ts"
import type { Catalogue, SecretGroup } from "../../sources/catalogue.ts"

/**
 * A round over a thousand nodes must not decrypt the store, or run `pass`, a
 * thousand times. Entries live as long as `maxAgeMs`, or until their source is
 * seen to change; failures are not kept, nor that there was none.
 */
export class SecretCache {
  readonly #catalogue: Catalogue
  readonly #maxAgeMs: number
  readonly #ends: AbortSignal
  readonly #entries = new Map<string, Entry<Secret | null>>()
  readonly #groups = new Map<string, Entry<ReadonlyMap<string, Secret>>>()

  /** `ends` is for the readings themselves. */
  constructor(catalogue: Catalogue, maxAgeMs: number, ends: AbortSignal) {
    this.#catalogue = catalogue
    this.#maxAgeMs = maxAgeMs
    this.#ends = ends
  }

  /** As the catalogue's: null when no source gives it. One reading serves all who ask meanwhile, so one asker's abort ends only its own waiting. */
  async read(name: string, signal: AbortSignal): Promise<Secret | null> {
    const read = (): Promise<Secret | null> => this.#catalogue.read(name, this.#ends)
    return await untilAborted(
      this.#reading(this.#entries, name, read, (found) => found !== null),
      signal,
    )
  }

  /** The same for a group. To be awaited with {@link untilAborted}. */
  readGroup(group: SecretGroup): Promise<ReadonlyMap<string, Secret>> {
    return this.#reading(
      this.#groups,
      group.id,
      () => group.read(this.#ends),
      ({ size }) => size > 0,
    )
  }

  #reading<T>(
    entries: Map<string, Entry<T>>,
    key: string,
    read: () => Promise<T>,
    isFound: (content: T) => boolean,
  ): Promise<T> {
    const known = entries.get(key)
    if (known !== undefined && performance.now() < known.until) return known.content
    const content = read()
    const entry = { content, until: performance.now() + this.#maxAgeMs }
    entries.set(key, entry)
    const drop = (): void => {
      if (entries.get(key) === entry) entries.delete(key)
    }
    // A secret that was missing is looked up again, because it may be there now.
    content.then((found) => {
      if (!isFound(found)) drop()
    }, drop)
    return content
  }

  /** Forgets these names, or all. */
  forget(names: readonly string[] | "all"): void {
    // Few, and quickly read again.
    this.#groups.clear()
    if (names === "all") this.#entries.clear()
    else for (const name of names) this.#entries.delete(name)
  }
}

interface Entry<T> {
  readonly content: Promise<T>
  readonly until: number
}
