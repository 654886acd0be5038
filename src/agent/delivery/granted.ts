import { untilAborted } from "../../base/abort.ts"
import { PurserError } from "../../base/errors.ts"
import { grantCovers, isSecretName, quote } from "../../base/names.ts"
import type { Secret } from "../../base/secret.ts"
import type { Catalogue } from "../../sources/catalogue.ts"
import type { AppConfig } from "../../apps/config.ts"
import type { SecretCache } from "./secret-cache.ts"

/**
 * The part of the catalogue that one app may see, for one delivery. Every way to a secret's content goes through
 * here. Of a set, the version of the first of its names that is read is that of all: a certificate that is renewed
 * meanwhile must not come with the key of the one before.
 */
export interface GrantedSecrets {
  /** Null when no source gives it. Throws `ERR_NOT_GRANTED` for a name outside the grants, and what the source throws. */
  read(name: string, signal: AbortSignal): Promise<Secret | null>
  names(signal: AbortSignal): Promise<string[]>
}

export function grantedSecrets(app: AppConfig, catalogue: Catalogue, cache: SecretCache): GrantedSecrets {
  /** One that failed too: the next would be of another version than what lies at the other end. */
  const sets = new Map<string, Promise<ReadonlyMap<string, Secret>>>()
  return {
    async read(name, signal) {
      if (!isSecretName(name) || !app.secrets.some((grant) => grantCovers(grant, name))) {
        throw new PurserError("ERR_NOT_GRANTED", `${quote(name)} is not granted to ${app.name}`, {
          hint: `add it to the secrets of ${app.name}, if it should have it`,
        })
      }
      const set = catalogue.setOf(name)
      if (set === undefined) return await cache.read(name, signal)
      const pinned = sets.get(set.id) ?? cache.readSet(set)
      sets.set(set.id, pinned)
      return (await untilAborted(pinned, signal)).get(name) ?? null
    },
    names: (signal) => catalogue.names(app.secrets, signal),
  }
}

/** Whether the app is granted one of these secrets. */
export function isGrantedAny(app: AppConfig | undefined, names: readonly string[] | "all"): boolean {
  return names === "all" || names.some((name) => app?.secrets.some((grant) => grantCovers(grant, name)))
}
