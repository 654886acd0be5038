import { parseSecretName } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import type { SourceSettings } from "../sources/settings.ts"

/** Adds an application's own secrets to those of the configured sources. */

/** A secret of the application, or a function that returns it, or null if there is none. */
export type OwnSecret = Secret | ((signal: AbortSignal) => Promise<Secret | null>)

/**
 * Separates the application's own secrets. For the schema each counts as an entry `store`, but the store is never read
 * for it.
 */
export function partitionSecrets(secrets: Readonly<Record<string, SourceSettings | OwnSecret>>): {
  own: Map<string, OwnSecret>
  configured: Record<string, SourceSettings>
} {
  const own = new Map<string, OwnSecret>()
  const configured: Record<string, SourceSettings> = {}
  for (const [name, source] of Object.entries(secrets)) {
    if (source instanceof Secret || typeof source === "function") {
      own.set(parseSecretName(name), source)
      configured[name] = "store"
    } else {
      configured[name] = source
    }
  }
  return { own, configured }
}

/** Returns the catalogue with the application's own secrets taking precedence. */
export function withOwnSecrets(catalogue: Catalogue, own: ReadonlyMap<string, OwnSecret>): Catalogue {
  return {
    async read(name, signal) {
      const source = own.get(name)
      if (source === undefined) return await catalogue.read(name, signal)
      return source instanceof Secret ? source : await source(signal)
    },
    groupOf: (name) => (own.has(name) ? undefined : catalogue.groupOf(name)),
    async check(name, signal) {
      const source = own.get(name)
      if (source === undefined) return await catalogue.check(name, signal)
      const secret = source instanceof Secret ? source : await source(signal)
      return secret === null ? null : { sizeBytes: secret.sizeBytes }
    },
    names: (grants, signal) => catalogue.names(grants, signal),
    watch: (onChange) => catalogue.watch(onChange),
    [Symbol.asyncDispose]: () => catalogue[Symbol.asyncDispose](),
  }
}
