import type { AppConfig } from "../apps/config.ts"
import type { CaConfig } from "../ca/config.ts"
import type { ChannelLimits } from "../channel/limits.ts"
import type { SourcesConfig } from "../sources/schema.ts"

/** `purser.yaml`, resolved and frozen: the same whether it came from a file, from flags, or from nothing. */
export interface ResolvedConfig {
  /** Absolute; undefined when there is none. */
  readonly file: string | undefined
  /** Absolute. */
  readonly stateDir: string
  readonly sources: SourcesConfig
  readonly ca: CaConfig
  /** No prototype: look up with `Object.hasOwn` or by entries. */
  readonly apps: Readonly<Record<string, AppConfig>>
  /** Between deliveries to a known target. */
  readonly everyMs: number
  /** Between looks for new nodes. */
  readonly discoverMs: number
  readonly limits: ChannelLimits
  /** Targets served at a time. */
  readonly parallel: number
  /** Time limit of one action. */
  readonly actionMs: number
}
