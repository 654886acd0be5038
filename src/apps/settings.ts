import type { CaNameSettings } from "../ca/settings.ts"

/**
 * One entry of `apps:` as a program writes it: the app's grants, and its targets. A test keeps it equal to the schema.
 */
export interface AppSettings {
  /**
   * The grants: names, and patterns with a trailing `/*` or just `*`. The app never gets any other secret. Default:
   * none.
   */
  readonly secrets?: readonly (string | Alias)[] | undefined
  /** Names of actions that its nodes may call, besides `list` and `file`. Default: none. */
  readonly actions?: readonly string[] | undefined
  /** The certificates that its nodes may get; requires the action `certificate`. */
  readonly certificate?: CertificateSettings | undefined
  /** Default: `purser`. */
  readonly protocol?: Protocol | undefined
  /** Default: `enrolled`. */
  readonly trust?: TrustMode | undefined
  /** With `trust: pinned`, the pins of its nodes (`sha256:` and 43 characters of base64url); at least one. */
  readonly pins?: readonly string[] | undefined
  /**
   * The number of nodes that may be alive at a time, 1 to 1000000. A further node raises an alert and gets nothing.
   * Default: 100.
   */
  readonly max_nodes?: number | undefined
  /** Whether to refuse nodes without post-quantum key exchange (X25519MLKEM768). Default: false. */
  readonly require_pq?: boolean | undefined
  /** The addresses of its nodes; at least one. */
  readonly nodes?: readonly NodeAddressSettings[] | undefined
  /** A directory on the agent's machine to fill. */
  readonly directory?: string | undefined
  /** The running containers of this host that may have its secrets. */
  readonly containers?: ContainerSettings | undefined
  /**
   * File lines for `directory` or `containers`: `NAME [path=PATH] [mode=0400] [owner=USER[:GROUP]] [optional]`; at
   * least one. Default: all grants.
   */
  readonly files?: readonly string[] | undefined
  /**
   * The reload after files have changed: `exec:COMMAND` or `http:URL`; for containers also a signal such as `HUP`, or
   * `restart`.
   */
  readonly reload?: string | undefined
  /**
   * The check after the reload: `[HOST]:PORT [file=NAME] [name=SERVERNAME] [within=10s]` must serve the new
   * certificate, or the old files are put back.
   */
  readonly check?: string | undefined
  /** Whether to refuse files that would lie on a disk. Default: true for containers, false for a directory. */
  readonly require_tmpfs?: boolean | undefined
}

/**
 * How an app's nodes are recognised: by the token of `purser enrol`; by a key that was approved by hand; by a key in
 * `pins`; or, with `discovered`, not at all, so that any server at the address gets everything.
 */
export type TrustMode = "enrolled" | "approved" | "pinned" | "discovered"

/** The protocol of an app's nodes; `fluxvault` only with `trust: discovered`. */
export type Protocol = "purser" | "fluxvault"

/** A secret that nodes request under a name that is not valid in Purser; with `protocol: fluxvault`. */
export interface Alias {
  readonly secret: string
  /** A relative path, such as `.env`, without dot segments. */
  readonly as: string
}

/** An entry of `nodes:`: `HOST[:PORT]`, `IPv4[:PORT]` or `[IPv6]:PORT`, or a lookup. The default port is 39898. */
export type NodeAddressSettings =
  | string
  /** Every address (A and AAAA) of a name. */
  | { readonly dns: string; readonly port?: number | undefined }
  /** Targets and ports of an SRV record. */
  | { readonly srv: string }
  /** Every instance of an app on Flux, looked up at the base URL `api`. */
  | {
      readonly flux: {
        readonly app: string
        readonly port?: number | undefined
        readonly api?: string | undefined
      }
    }

/** Rules for names, as in the CA's own policy, which must allow them too. Here an absent list allows none. */
export interface CertificateSettings extends CaNameSettings {
  /** The prefix of the certificates' names: `ca/NODE`. */
  readonly ca: string
  /** Whether the certificates are also valid for clients. Default: false. */
  readonly client?: boolean | undefined
  /** Lifetime, 1 to 3650 days. Default: `days.leaf` of the CA. */
  readonly days?: number | undefined
}

/** The rule for containers: all given conditions must be met. One of `image` and `any_image` is required. */
export interface ContainerSettings {
  /** Ids (`sha256:…`) of the images that may have the secrets; at least one. */
  readonly image?: readonly string[] | undefined
  readonly any_image?: true | undefined
  /** The container's name. */
  readonly name?: string | undefined
  readonly compose_project?: string | undefined
  /** `PROJECT/SERVICE`. */
  readonly compose_service?: string | undefined
  /** Labels of the container itself, not of its image. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}
