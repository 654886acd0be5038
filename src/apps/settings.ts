import type { CaNameSettings } from "../ca/settings.ts"

/**
 * One entry of `apps:` as a program writes it: what an app may have, and where that goes. A test keeps it equal to the
 * schema.
 */
export interface AppSettings {
  /** The grants: names, and patterns with a trailing `/*` or just `*`. Nothing else ever leaves for this app. Default: none. */
  readonly secrets?: readonly (string | Alias)[] | undefined
  /** Names of actions that its nodes may ask for, beside `list` and `file`. Default: none. */
  readonly actions?: readonly string[] | undefined
  /** What its nodes get certificates for; needs the action `certificate`. */
  readonly certificate?: CertificateSettings | undefined
  /** Default: `purser`. */
  readonly protocol?: Protocol | undefined
  /** Default: `enrolled`. */
  readonly trust?: TrustMode | undefined
  /** With `trust: pinned`, the pins of its nodes (`sha256:` and 43 characters of base64url); one at least. */
  readonly pins?: readonly string[] | undefined
  /** Nodes that may be alive at a time, 1 to 1000000. One more raises an alert and gets nothing. Default: 100. */
  readonly max_nodes?: number | undefined
  /** Only nodes with post-quantum key exchange (X25519MLKEM768). Default: false. */
  readonly require_pq?: boolean | undefined
  /** Where its nodes are; one at least. */
  readonly nodes?: readonly NodeAddressSettings[] | undefined
  /** A directory beside the agent to fill. */
  readonly directory?: string | undefined
  /** Which running containers of this host may have its secrets. */
  readonly containers?: ContainerSettings | undefined
  /**
   * File lines, `NAME [path=PATH] [mode=0400] [owner=USER[:GROUP]] [optional]`, for `directory` or `containers`; one at
   * least. Default: all grants.
   */
  readonly files?: readonly string[] | undefined
  /** After files changed: `exec:COMMAND` or `http:URL`; for containers also a signal such as `HUP`, or `restart`. */
  readonly reload?: string | undefined
  /** Then `[HOST]:PORT [file=NAME] [name=SERVERNAME] [within=10s]` must serve the new certificate, or the old files return. */
  readonly check?: string | undefined
  /** Refuse what would lie on a disk. Default: true for containers, false for a directory. */
  readonly require_tmpfs?: boolean | undefined
}

/**
 * How an app's nodes are recognised: by the token of `purser enrol`; by a key that was approved by hand; by a key in
 * `pins`; or, with `discovered`, not at all, since whoever answers at the address gets everything.
 */
export type TrustMode = "enrolled" | "approved" | "pinned" | "discovered"

/** What is spoken with an app's nodes; `fluxvault` only with `trust: discovered`. */
export type Protocol = "purser" | "fluxvault"

/** A secret under the name by which nodes ask for it, where Purser has no such name; with `protocol: fluxvault`. */
export interface Alias {
  readonly secret: string
  /** A relative path, such as `.env`, without dot segments. */
  readonly as: string
}

/** Where to look for nodes: `HOST[:PORT]`, `IPv4[:PORT]` or `[IPv6]:PORT`, or by a lookup. The default port is 39898. */
export type NodeAddressSettings =
  | string
  /** Every address that a name has (A and AAAA). */
  | { readonly dns: string; readonly port?: number | undefined }
  /** Targets and ports of an SRV record. */
  | { readonly srv: string }
  /** Every instance of an app on Flux, asked from the base URL `api`. */
  | {
      readonly flux: {
        readonly app: string
        readonly port?: number | undefined
        readonly api?: string | undefined
      }
    }

/** Rules for names, as in the CA's own policy, which must allow them too; here an absent list allows none. */
export interface CertificateSettings extends CaNameSettings {
  /** A certificate is listed as `ca/NODE`. */
  readonly ca: string
  /** Whether it may prove a client too. Default: false. */
  readonly client?: boolean | undefined
  /** How long it is valid, 1 to 3650 days. Default: `days.leaf` of the CA. */
  readonly days?: number | undefined
}

/** All that is there must hold. One of `image` and `any_image` must be. */
export interface ContainerSettings {
  /** Ids (`sha256:…`) of the images that may have the secrets; one at least. */
  readonly image?: readonly string[] | undefined
  readonly any_image?: true | undefined
  /** The container's name. */
  readonly name?: string | undefined
  readonly compose_project?: string | undefined
  /** `PROJECT/SERVICE`. */
  readonly compose_service?: string | undefined
  /** Labels of the container's own, not of its image. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}
