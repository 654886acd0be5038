import type { Secret } from "../base/secret.ts"
import type { Catalogue } from "../sources/catalogue.ts"

/**
 * A round over a thousand nodes must not decrypt the store, or run `pass`, a
 * thousand times. Entries live as long as `maxAgeMs`, or until their source is
 * seen to change; failures are not kept.
 */
export class SecretCache {
  readonly #catalogue: Catalogue
  readonly #maxAgeMs: number
  readonly #entries = new Map<string, { content: Promise<Secret | null>; until: number }>()

  constructor(catalogue: Catalogue, maxAgeMs: number) {
    this.#catalogue = catalogue
    this.#maxAgeMs = maxAgeMs
  }

  /** As the catalogue's: null when no source gives it. One reading serves all who ask meanwhile, so it hears no single asker's abort. */
  async read(name: string, signal: AbortSignal): Promise<Secret | null> {
    const known = this.#entries.get(name)
    if (known !== undefined && performance.now() < known.until) return await known.content
    const content = this.#catalogue.read(name, signal)
    const entry = { content, until: performance.now() + this.#maxAgeMs }
    this.#entries.set(name, entry)
    content.catch(() => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name)
    })
    return await content
  }

  /** Forgets these names, or all. */
  forget(names: readonly string[] | "all"): void {
    if (names === "all") this.#entries.clear()
    else for (const name of names) this.#entries.delete(name)
  }
}
