import type { AppSettings } from "../apps/settings.ts"
import type { CaSettings } from "../ca/settings.ts"
import type { SourceSettings, StoreSettings } from "../sources/settings.ts"

/**
 * The keys of `purser.yaml` as a program writes them, before anything is resolved. By hand, so that a reader sees what
 * there is; a test keeps them equal to the schema. Durations are text, a number and a unit: `250ms`, `30s`, `5m`, `1h`, `7d`.
 */

/** What an agent takes from `purser.yaml` and from a program alike. */
export interface AgentSettings {
  /** How Purser's own store is encrypted. */
  readonly store?: StoreSettings | undefined
  /** The CA of this host. */
  readonly ca?: CaSettings | undefined
  /** By name: 1 to 63 of `a-z 0-9 -`, starting with a letter or digit. */
  readonly apps?: Readonly<Record<string, AppSettings>> | undefined
  /** How often known nodes, directories and containers are brought up to date; `1s` at least. Default: `1h`. */
  readonly every?: string | undefined
  /** How often new nodes are looked for; `1s` at least. Default: `5m`. */
  readonly discover?: string | undefined
  readonly limits?: LimitSettings | undefined
}

/** A whole `purser.yaml`. */
export interface ConfigSettings extends AgentSettings {
  /** State directory. Default: the platform's. */
  readonly state?: string | undefined
  /** By name, or by pattern (`quotes/*`, `*`). */
  readonly secrets?: Readonly<Record<string, SourceSettings>> | undefined
}

/** Limits of the channel and of the agent. A node has limits of its own. */
export interface LimitSettings {
  /** Of one secret, from whatever source, in bytes, 16777216 at most. Default: 1048576. */
  readonly secret_bytes?: number | undefined
  /** TCP connection and TLS handshake. Default: `10s`. */
  readonly handshake?: string | undefined
  /** Each whole line from the other end. Default: `30s`. */
  readonly frame?: string | undefined
  /** A whole session, with the node's writing and reloading. Default: `5m`. */
  readonly session?: string | undefined
  /** Requests in one session, 1000000 at most. Default: 1000. */
  readonly requests?: number | undefined
  /** One line, in bytes, 1024 to 1048576. Default: 65536. */
  readonly frame_bytes?: number | undefined
  /** Content in one line, in bytes, 32768 at most; as base64 it must fit `frame_bytes`. Default: 32768. */
  readonly chunk_bytes?: number | undefined
  /** Nesting of one line, 3 to 64. Default: 8. */
  readonly depth?: number | undefined
  /** Nodes, directories and containers served at a time, 10000 at most. Default: 64. */
  readonly parallel?: number | undefined
  /** One action; keep it below `frame`. Default: `20s`. */
  readonly action?: string | undefined
}
