import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"

/**
 * `wiring/` is the only composition root: the command line, the library and the server all resolve a purser.yaml and
 * open its resources here, so that it means the same for each. It reads neither the environment nor the terminal; its
 * callers pass in what it may use of them. A test refuses such openings anywhere else.
 */

/**
 * Asks for the passphrase of a key; with `new` the key is being created, so ask twice. Resolves with null if no person
 * can be asked.
 */
export type AskPassphrase = (
  key: "store" | "root" | "intermediate",
  purpose: "new" | "open",
) => Promise<Secret | null>

/** The dependencies of opening besides the configuration. The command line fills it from its process. */
export interface OpenContext {
  /** The environment for `env:` and `exec:` sources, and for finding the engine as the docker command does. */
  readonly env: NodeJS.ProcessEnv
  /** Home directory, where the docker command keeps its configuration. */
  readonly home: string
  /** `unix:///…`, `npipe://…` or `ssh://…`. Default: the docker command's choice. */
  readonly engineAddress?: string | undefined
  /** Default: no person can be asked. */
  readonly askPassphrase?: AskPassphrase | undefined
  readonly log: Log
}
