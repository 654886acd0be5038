import type { AppConfig, TrustMode } from "../agent/config.ts"
import type { ChannelLimits } from "../channel/limits.ts"
import type { SourcesConfig } from "../sources/schema.ts"

/** `purser.yaml`, resolved and frozen: the same whether it came from a file, from flags, or from nothing. */
export interface ResolvedConfig {
  /** Absolute; undefined when there is none. */
  readonly file: string | undefined
  /** Absolute. */
  readonly stateDir: string
  readonly sources: SourcesConfig
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

/** What stands in a `purser.yaml`, before anything is resolved. */
export type PlainConfig = Readonly<Record<string, unknown>>

/** The flags of `purser agent` that take the place of a file. */
export interface ConfigFlags {
  app: string
  secrets?: readonly string[]
  dir?: string
  nodes?: readonly string[]
  directory?: string
  files?: readonly string[]
  reload?: string
  requireTmpfs?: boolean
  trust?: TrustMode
  pins?: readonly string[]
  maxNodes?: number
  requirePq?: boolean
  every?: string
  discover?: string
}

/** The plain object that a `purser.yaml` of the same meaning gives. Throws `ERR_USAGE`, `ERR_NAME`. */
export function configFromFlags(_flags: ConfigFlags): PlainConfig {
  throw new Error("not written yet")
}

/** YAML for `--print-config`; reading it gives the same object. */
export function printConfig(_config: PlainConfig): string {
  throw new Error("not written yet")
}

export interface ResolveOptions {
  /** Absolute; undefined for flags. */
  file: string | undefined
  /** Absolute; relative paths are relative to it. */
  directory: string
  /** Wins over the file's `state:`. */
  stateDir: string | undefined
  /** Where neither says it. */
  defaultStateDir: string
}

/** Throws `ERR_CONFIG`. */
export function resolveConfig(_config: PlainConfig, _options: ResolveOptions): ResolvedConfig {
  throw new Error("not written yet")
}
