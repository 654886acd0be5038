import { parseSecretName } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import type { SourceSettings } from "../sources/settings.ts"

/** Secrets that an application has itself, beside those of the configured sources. */

/** A secret that the application has, or gets when it is asked for; null when it has none. */
export type OwnSecret = Secret | ((signal: AbortSignal) => Promise<Secret | null>)

/** For the schema one of the application's own counts as in the store; it is never looked for there. */
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

/** The catalogue, with the secrets of the application in front. */
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
