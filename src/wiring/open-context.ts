import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"

/**
 * `wiring/` is the one composition root: the command line, the library and the server all resolve a purser.yaml and open
 * what it names here, so that it means the same for each. It reads neither the environment nor the terminal; whoever calls
 * it passes in what it may use of them. A test refuses openings anywhere else.
 */

/**
 * Asks for the passphrase of a key; `new`: of one that is made now, so asking twice is wise. Null when nobody can be
 * asked.
 */
export type AskPassphrase = (
  key: "store" | "root" | "intermediate",
  purpose: "new" | "open",
) => Promise<Secret | null>

/** What opening things takes besides the configuration. The command line fills it from its process, a program as it likes. */
export interface OpenContext {
  /** For `env:` and `exec:` sources, and for finding the engine as the docker command does. */
  readonly env: NodeJS.ProcessEnv
  /** Home directory, where the docker command keeps its configuration. */
  readonly home: string
  /** `unix:///…`, `npipe://…`, `ssh://…`. Undefined: what the docker command would take. */
  readonly engineAddress?: string | undefined
  /** Default: nobody can be asked. */
  readonly askPassphrase?: AskPassphrase | undefined
  readonly log: Log
}
