import { PurserError } from "../base/errors.ts"
import { grantCovers, isSecretName, quote } from "../base/names.ts"
import type { Secret } from "../base/secret.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import type { AppConfig } from "./config.ts"
import type { SecretCache } from "./secret-cache.ts"

/** The part of the catalogue that one app may see. Every way to a secret's content goes through here. */
export interface GrantedSecrets {
  /** Null when no source gives it. Throws `ERR_NOT_GRANTED` for a name outside the grants, and what the source throws. */
  read(name: string, signal: AbortSignal): Promise<Secret | null>
  names(signal: AbortSignal): Promise<string[]>
}

export function grantedSecrets(app: AppConfig, catalogue: Catalogue, cache: SecretCache): GrantedSecrets {
  return {
    async read(name, signal) {
      if (!isSecretName(name) || !app.secrets.some((grant) => grantCovers(grant, name))) {
        throw new PurserError("ERR_NOT_GRANTED", `${quote(name)} is not granted to ${app.name}`, {
          hint: `add it to the secrets of ${app.name}, if it should have it`,
        })
      }
      return await cache.read(name, signal)
    },
    names: (signal) => catalogue.names(app.secrets, signal),
  }
}
