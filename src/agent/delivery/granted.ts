import { untilAborted } from "../../base/abort.ts"
import { PurserError } from "../../base/errors.ts"
import { grantCovers, isSecretName, quote } from "../../base/names.ts"
import type { Secret } from "../../base/secret.ts"
import type { Catalogue } from "../../sources/catalogue.ts"
import type { AppConfig } from "../../apps/config.ts"
import type { SecretCache } from "./secret-cache.ts"

/**
 * The part of the catalogue that one app may see, for one delivery. Every way to a secret's content goes through
 * here. A group has one version, that of its first name that is read, because a certificate that is renewed meanwhile
 * must not come with the previous key.
 */
export interface GrantedSecrets {
  /** Null when no source gives it. Throws `ERR_NOT_GRANTED` for a name outside the grants, and what the source throws. */
  read(name: string, signal: AbortSignal): Promise<Secret | null>
  names(signal: AbortSignal): Promise<string[]>
}

export function grantedSecrets(app: AppConfig, catalogue: Catalogue, cache: SecretCache): GrantedSecrets {
  /** Failed readings too, because the next would be of another version than the files at the other end. */
  const groups = new Map<string, Promise<ReadonlyMap<string, Secret>>>()
  return {
    async read(name, signal) {
      if (!isSecretName(name) || !app.secrets.some((grant) => grantCovers(grant, name))) {
        throw new PurserError("ERR_NOT_GRANTED", `${quote(name)} is not granted to ${app.name}`, {
          hint: `add it to the secrets of ${app.name}, if it should have it`,
        })
      }
      const group = catalogue.groupOf(name)
      if (group === undefined) return await cache.read(name, signal)
      const pinned = groups.get(group.id) ?? cache.readGroup(group)
      groups.set(group.id, pinned)
      return (await untilAborted(pinned, signal)).get(name) ?? null
    },
    names: (signal) => catalogue.names(app.secrets, signal),
  }
}

/** Whether the app is granted one of these secrets. */
export function isGrantedAny(app: AppConfig | undefined, names: readonly string[] | "all"): boolean {
  return names === "all" || names.some((name) => app?.secrets.some((grant) => grantCovers(grant, name)))
}
