import type { Secret } from "../base/secret.ts"
import type { Catalogue } from "../sources/catalogue.ts"

/**
 * A round over a thousand nodes must not decrypt the store, or run `pass`, a
 * thousand times. Entries live as long as `maxAgeMs`, or until their source is
 * seen to change; failures are not kept, nor that there was none.
 */
export class SecretCache {
  readonly #catalogue: Catalogue
  readonly #maxAgeMs: number
  readonly #ends: AbortSignal
  readonly #entries = new Map<string, { content: Promise<Secret | null>; until: number }>()

  /** `ends` is for the readings themselves. */
  constructor(catalogue: Catalogue, maxAgeMs: number, ends: AbortSignal) {
    this.#catalogue = catalogue
    this.#maxAgeMs = maxAgeMs
    this.#ends = ends
  }

  /** As the catalogue's: null when no source gives it. One reading serves all who ask meanwhile, so one asker's abort ends only its own waiting. */
  async read(name: string, signal: AbortSignal): Promise<Secret | null> {
    return await unlessAborted(this.#reading(name), signal)
  }

  #reading(name: string): Promise<Secret | null> {
    const known = this.#entries.get(name)
    if (known !== undefined && performance.now() < known.until) return known.content
    const content = this.#catalogue.read(name, this.#ends)
    const entry = { content, until: performance.now() + this.#maxAgeMs }
    this.#entries.set(name, entry)
    const drop = (): void => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name)
    }
    // Whoever tries again because there was none wants to know whether there is one now.
    content.then((found) => {
      if (found === null) drop()
    }, drop)
    return content
  }

  /** Forgets these names, or all. */
  forget(names: readonly string[] | "all"): void {
    if (names === "all") this.#entries.clear()
    else for (const name of names) this.#entries.delete(name)
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}
