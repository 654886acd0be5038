import type { AppConfig } from "../apps/config.ts"
import { caDefaults } from "../ca/defaults.ts"
import type { CaConfig } from "../ca/config.ts"
import { defaultLimits } from "../channel/limits.ts"
import { deepFreeze } from "../config/deep-freeze.ts"
import type { ResolvedConfig } from "./resolved-config.ts"

/**
 * Returns the configuration without any file: the schema's result for an empty one. It is written out so that most
 * commands, which need no file, load neither zod nor yaml.
 */
export function defaultConfig(stateDir: string): ResolvedConfig {
  const ca: CaConfig = {
    ...caDefaults,
    passphraseFile: undefined,
    policy: { ...caDefaults.policy, dns: undefined, ip: undefined, email: undefined },
    crlUrl: undefined,
  }
  return deepFreeze<ResolvedConfig>({
    file: undefined,
    stateDir,
    sources: {
      secrets: Object.create(null) as Record<string, never>,
      store: { passphraseFile: undefined, recipients: undefined, identityFile: undefined },
      ca,
      secretBytes: defaultLimits.secretBytes,
    },
    ca,
    apps: Object.create(null) as Record<string, AppConfig>,
    everyMs: 3_600_000,
    discoverMs: 300_000,
    limits: defaultLimits,
    parallel: 64,
    actionMs: 20_000,
  })
}
