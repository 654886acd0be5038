import type { Log } from "../base/log.ts"
import type { AllowList } from "../channel/allow-list.ts"
import type { ListenAddress } from "../channel/bind.ts"
import type { Enrolment } from "../channel/enrolment.ts"
import type { ChannelLimits } from "../channel/limits.ts"
import type { FileLine } from "../files/file-line.ts"
import type { Check } from "../rollout/check.ts"
import type { Reload, RunReload } from "../rollout/reload.ts"
import type { CertificateLine } from "./certificate-line.ts"
import type { FluxvaultNode } from "./fluxvault.ts"
import type { PurserNode } from "./node.ts"

/** The options of `runNode`. */
export type RunNodeOptions = RunPurserNodeOptions | RunFluxvaultNodeOptions

/** A node that accepts only the agents of its enrolment string. */
export interface RunPurserNodeOptions extends CommonRunNodeOptions {
  readonly protocol?: "purser" | undefined
  /** The string that `purser enrol APP` printed, or its parts. */
  readonly enrolment: string | Enrolment
  /** The files to ask for. Default: everything that the agent grants. */
  readonly files?: readonly FileLine[] | undefined
  /** Certificates for keys that are made here. */
  readonly certificates?: readonly CertificateLine[] | undefined
  /** Keeps the node's key, for apps with `trust: approved` or `pinned`; created if absent. Default: a new key in memory. */
  readonly identityFile?: string | undefined
  /** The name by which the agent lists this node. Default: the first label of the host name if it is a valid name, else `node`. */
  readonly name?: string | undefined
  /** The addresses that may connect. Default: all, because the pin authenticates the agent. */
  readonly allow?: AllowList | undefined
  /**
   * Default: port 39898 of every address. With null the node does not listen; the application hands connections to
   * `handle` of the node that `onReady` gives it.
   */
  readonly listen?: Partial<ListenAddress> | null | undefined
  /** Called once the node accepts connections, with the address taken. */
  readonly onReady?: ((node: PurserNode, address: ListenAddress | null) => void) | undefined
}

/** A node for FluxVault's own agent. That protocol authenticates neither end and has no `list`. */
export interface RunFluxvaultNodeOptions extends CommonRunNodeOptions {
  readonly protocol: "fluxvault"
  readonly files: readonly FileLine[]
  readonly allow: AllowList
  readonly listen?: Partial<ListenAddress> | undefined
  readonly onReady?: ((node: FluxvaultNode, address: ListenAddress) => void) | undefined
}

export interface CommonRunNodeOptions {
  /** The directory of files whose line has no absolute path. Default `/run/secrets`. */
  readonly directory?: string | undefined
  /** The reload after files have changed. Without a command or a `runReload`, a signal or `restart` fails with `ERR_RELOAD_SPEC`. */
  readonly reload?: Reload | undefined
  /** Runs the reload in another way, such as within this process. If it rejects, the reload stays pending. */
  readonly runReload?: RunReload | undefined
  /** Checks that the new certificate is served after the reload; if it is not, the old files are put back. */
  readonly check?: Check | undefined
  /** Refuses to write to a disk instead of warning. */
  readonly requireTmpfs?: boolean | undefined
  readonly limits?: Partial<ChannelLimits> | undefined
  /** The status file that `purser health --status FILE` reads. Removed at the end, unless `once`. */
  readonly statusFile?: string | undefined
  /** Ends after the first complete delivery. */
  readonly once?: boolean | undefined
  /**
   * The application, as argv: started once every required file is in place, and stopped at the end. While it runs, the
   * signals that this process gets are passed on to it.
   */
  readonly command?: readonly [string, ...string[]] | undefined
  /** The environment of the command and of `exec:` reloads. Default: empty, because this process's may hold the token. */
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly log?: Log | undefined
  /**
   * Called with the absolute paths of the required files when all are in place: at the start, if they are there
   * already, and after every complete delivery. When it rejects, the delivery fails.
   */
  readonly onComplete?: ((required: readonly string[]) => Promise<void> | void) | undefined
  /** Called after every session, with its error or null. */
  readonly onSession?: ((error: unknown) => void) | undefined
  /** Called just before the command starts. From then on the command gets this process's signals. */
  readonly onCommandStart?: (() => void) | undefined
}
