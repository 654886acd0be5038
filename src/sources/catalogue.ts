import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { grantCovers, isPattern, isSecretName, parseSecretName } from "../base/names.ts"
import type { Secret } from "../base/secret.ts"
import type { Source } from "./source.ts"

/**
 * Gives access to all sources, and finds the one for each name. It knows apps and grants only as patterns to match
 * names against.
 */
export interface Catalogue extends AsyncDisposable {
  /**
   * Returns null if no source has the secret. Throws `ERR_NAME`, `ERR_SOURCE`, `ERR_STORE` or `ERR_SECRET_TOO_LARGE`.
   */
  read(name: string, signal: AbortSignal): Promise<Secret | null>
  /** Returns the set that the secret is delivered with, or undefined for a single secret. */
  groupOf(name: string): SecretGroup | undefined
  /**
   * Like {@link read}, but changes nothing. Returns null if no source has the secret; the size in bytes is undefined
   * for a secret that a read would create.
   */
  check(name: string, signal: AbortSignal): Promise<{ readonly sizeBytes: number | undefined } | null>
  /**
   * Returns every name that these grants cover now, sorted: the names in the grants, even if no source has them, and
   * the names that match their patterns.
   */
  names(grants: readonly string[], signal: AbortSignal): Promise<string[]>
  /**
   * Reports which secrets may have changed, from directories, the store and the CA; other sources must be read again.
   * Errors are logged.
   */
  watch(onChange: (names: readonly string[] | "all") => void): void
}

/** Secrets that are delivered together, such as those of one certificate. */
export interface SecretGroup {
  /** The same for all names of the set. */
  readonly id: string
  /** Returns the secrets by name, all of one version. */
  read(signal: AbortSignal): Promise<ReadonlyMap<string, Secret>>
}

/** A source under the name or pattern by which it is configured. */
export interface NamedSource {
  /** The name of its kind, for messages. */
  readonly kind: string
  readonly pattern: string
  readonly source: Source
  /** The part of a name that is not passed to the source: `quotes/` for a directory under `quotes/*`. */
  readonly prefix: string
}

/** Changes within this time are reported together, such as the ten files that a deployment writes. */
const gatherMs = 50

/** Finds the source of a name. */
export class SourceCatalogue implements Catalogue {
  readonly #exact = new Map<string, NamedSource>()
  /** The most specific first. */
  readonly #patterns: readonly NamedSource[]
  readonly #log: Log
  readonly #watchers: Promise<AsyncDisposable | undefined>[] = []
  #gathering: NodeJS.Timeout | undefined

  constructor(entries: readonly NamedSource[], log: Log) {
    for (const entry of entries) if (!isPattern(entry.pattern)) this.#exact.set(entry.pattern, entry)
    this.#patterns = entries
      .filter(({ pattern }) => isPattern(pattern))
      .toSorted((a, b) => b.pattern.length - a.pattern.length)
    this.#log = log
  }

  async read(name: string, signal: AbortSignal): Promise<Secret | null> {
    const entry = this.#entryOf(parseSecretName(name))
    if (entry === undefined) return null
    return await entry.source.read(name.slice(entry.prefix.length), signal)
  }

  groupOf(name: string): SecretGroup | undefined {
    const { source, prefix } = this.#entryOf(parseSecretName(name)) ?? {}
    const readGroup = source?.readGroup?.bind(source)
    if (readGroup === undefined || prefix === undefined) return undefined
    const read = async (signal: AbortSignal): Promise<ReadonlyMap<string, Secret>> =>
      new Map([...(await readGroup(signal))].map(([own, content]) => [`${prefix}${own}`, content]))
    return { id: prefix, read }
  }

  async check(name: string, signal: AbortSignal): Promise<{ readonly sizeBytes: number | undefined } | null> {
    const { source, prefix = "" } = this.#entryOf(parseSecretName(name)) ?? {}
    const own = name.slice(prefix.length)
    const content = await (source?.check?.(own, signal) ?? source?.read(own, signal) ?? null)
    return content === null ? null : { sizeBytes: content?.sizeBytes }
  }

  async names(grants: readonly string[], signal: AbortSignal): Promise<string[]> {
    const covered = (name: string): boolean => grants.some((grant) => grantCovers(grant, name))
    const names = new Set(grants.filter((grant) => !isPattern(grant)))
    for (const name of this.#exact.keys()) if (covered(name)) names.add(name)
    for (const entry of this.#patterns) {
      if (!grants.some((grant) => isPattern(grant) && overlap(grant, entry.pattern))) continue
      for (const own of (await entry.source.list?.(signal)) ?? []) {
        const name = `${entry.prefix}${own}`
        // With its prefix a name may be too long.
        if (isSecretName(name) && covered(name) && this.#entryOf(name) === entry) names.add(name)
      }
    }
    return [...names].toSorted()
  }

  watch(onChange: (names: readonly string[] | "all") => void): void {
    const changed = new Set<string>()
    let all = false
    const tell = (): void => {
      this.#gathering = undefined
      const names = all ? "all" : [...changed].toSorted()
      changed.clear()
      all = false
      onChange(names)
    }
    const gather = (name: string | undefined): void => {
      if (name === undefined) all = true
      else changed.add(name)
      this.#gathering ??= setTimeout(tell, gatherMs)
    }
    for (const [source, entries] of this.#watched()) {
      const started = source.watch?.((own) => {
        for (const entry of entries) {
          const name = own === undefined ? undefined : `${entry.prefix}${own}`
          if (name === undefined || this.#entryOf(name) === entry) gather(name)
        }
      })
      if (started === undefined) continue
      this.#watchers.push(
        started.catch((error: unknown) => {
          this.#log.warn(`cannot watch a ${entries[0]?.kind} source: ${reasonOf(error)}`)
          return undefined
        }),
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watcher of await Promise.all(this.#watchers.splice(0))) await watcher?.[Symbol.asyncDispose]()
    clearTimeout(this.#gathering)
  }

  #entryOf(name: string): NamedSource | undefined {
    return this.#exact.get(name) ?? this.#patterns.find(({ pattern }) => grantCovers(pattern, name))
  }

  /** Returns each source that can be watched, with its entries: the store has many. */
  #watched(): Map<Source, NamedSource[]> {
    const watched = new Map<Source, NamedSource[]>()
    for (const entry of [...this.#exact.values(), ...this.#patterns]) {
      if (entry.source.watch === undefined) continue
      watched.set(entry.source, [...(watched.get(entry.source) ?? []), entry])
    }
    return watched
  }
}

/** Returns whether some name is covered by both patterns. */
function overlap(a: string, b: string): boolean {
  const [left, right] = [a.slice(0, -1), b.slice(0, -1)]
  return left.startsWith(right) || right.startsWith(left)
}
