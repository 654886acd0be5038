import type { AppConfig } from "../apps/config.ts"
import type { CaConfig } from "../ca/config.ts"
import type { ChannelLimits } from "../channel/limits.ts"
import type { SourcesConfig } from "../sources/schema.ts"

/**
 * The resolved and frozen `purser.yaml`, of the same form whether it came from a file, from flags, or from defaults.
 */
export interface ResolvedConfig {
  /** Absolute path; undefined if there is no file. */
  readonly file: string | undefined
  /** Absolute path. */
  readonly stateDir: string
  readonly sources: SourcesConfig
  readonly ca: CaConfig
  /** It has no prototype: look up with `Object.hasOwn` or by entries. */
  readonly apps: Readonly<Record<string, AppConfig>>
  /** The interval of deliveries to a known target. */
  readonly everyMs: number
  /** The interval of looking for new nodes. */
  readonly discoverMs: number
  readonly limits: ChannelLimits
  /** The number of targets served at a time. */
  readonly parallel: number
  /** Time limit of one action. */
  readonly actionMs: number
}
