import { PurserError, isPurserError, reasonOf } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { fileLineFor, type FileLine } from "../../files/file-line.ts"
import { fillDirectory, type Fetched, type FillResult } from "../../files/fill.ts"
import { sameText } from "../../base/digest.ts"
import { runLocalReload, type Reload } from "../../files/reload.ts"
import type { GrantedSecrets } from "../granted.ts"

/**
 * A directory beside the agent, most often a tmpfs volume that another
 * container mounts: the same writing as a node's, without a wire between.
 */

export interface DirectoryOptions {
  directory: string
  /** Undefined: everything that is granted. */
  files: readonly FileLine[] | undefined
  reload: Reload | undefined
  /** Environment of `exec:` reloads. */
  reloadEnv: NodeJS.ProcessEnv
  requireTmpfs: boolean
  secrets: GrantedSecrets
  /** An earlier delivery was complete, so somebody may use the files. */
  inUse: boolean
  log: Log
}

/** Throws `ERR_TARGET`, `ERR_DISK` or `ERR_RELOAD`; what could not be read is in the result. */
export async function fillFromSources(options: DirectoryOptions, signal: AbortSignal): Promise<FillResult> {
  const { files, secrets, log, reload, reloadEnv, ...rest } = options
  const lines = files ?? (await secrets.names(signal)).map(fileLineFor)
  const fetch = async (name: string, have: string | null): Promise<Fetched> => {
    try {
      const content = await secrets.read(name, signal)
      if (content === null) return { status: "missing" }
      return have !== null && sameText(have, content.digest)
        ? { status: "match" }
        : { status: "sent", content }
    } catch (error) {
      log.error(
        `${name}: ${reasonOf(error)}`,
        error instanceof PurserError && error.hint !== undefined ? { hint: error.hint } : {},
      )
      return { status: isPurserError(error, "ERR_NOT_GRANTED") ? "denied" : "failed" }
    }
  }
  return await fillDirectory(lines, fetch, {
    ...rest,
    log,
    ...(reload === undefined ? {} : { reload }),
    runReload: (what, limit) => runLocalReload(what, limit, reloadEnv),
    signal,
  })
}
