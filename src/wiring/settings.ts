import type { AppSettings } from "../apps/settings.ts"
import type { CaSettings } from "../ca/settings.ts"
import type { SourceSettings, StoreSettings } from "../sources/settings.ts"

/**
 * The keys of `purser.yaml` as a program writes them, before they are resolved. They are written by hand so that a
 * reader sees every key; a test keeps them equal to the schema. A duration is a text of a number and a unit: `250ms`,
 * `30s`, `5m`, `1h`, `7d`.
 */

/** The settings of an agent, in `purser.yaml` and in a program alike. */
export interface AgentSettings {
  /** The encryption of Purser's own store. */
  readonly store?: StoreSettings | undefined
  /** The CA of this host. */
  readonly ca?: CaSettings | undefined
  /** Keyed by the app's name: 1 to 63 of `a-z 0-9 -`, starting with a letter or digit. */
  readonly apps?: Readonly<Record<string, AppSettings>> | undefined
  /** The interval of bringing known nodes, directories and containers up to date; at least `1s`. Default: `1h`. */
  readonly every?: string | undefined
  /** The interval of looking for new nodes; at least `1s`. Default: `5m`. */
  readonly discover?: string | undefined
  readonly limits?: LimitSettings | undefined
}

/** A whole `purser.yaml`. */
export interface ConfigSettings extends AgentSettings {
  /** State directory. Default: the platform's. */
  readonly state?: string | undefined
  /** Keyed by name or pattern (`quotes/*`, `*`). */
  readonly secrets?: Readonly<Record<string, SourceSettings>> | undefined
}

/** Limits of the channel and of the agent. A node has its own limits. */
export interface LimitSettings {
  /** Size of one secret from any source, in bytes; at most 16777216. Default: 1048576. */
  readonly secret_bytes?: number | undefined
  /** Time for the TCP connection and TLS handshake. Default: `10s`. */
  readonly handshake?: string | undefined
  /** Time for each whole line from the peer. Default: `30s`. */
  readonly frame?: string | undefined
  /** Time for a whole session, including the node's writing and reloading. Default: `5m`. */
  readonly session?: string | undefined
  /** Requests in one session; at most 1000000. Default: 1000. */
  readonly requests?: number | undefined
  /** Size of one line in bytes, 1024 to 1048576. Default: 65536. */
  readonly frame_bytes?: number | undefined
  /** Content in one line in bytes, at most 32768; in base64 it must fit into `frame_bytes`. Default: 32768. */
  readonly chunk_bytes?: number | undefined
  /** Nesting depth of one line, 3 to 64. Default: 8. */
  readonly depth?: number | undefined
  /** Nodes, directories and containers served at a time; at most 10000. Default: 64. */
  readonly parallel?: number | undefined
  /** Time for one action; keep it below `frame`. Default: `20s`. */
  readonly action?: string | undefined
}
