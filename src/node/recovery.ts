import { asPurserError } from "../base/errors.ts"
import { errorFields, type Log } from "../base/log.ts"
import type { FileLine } from "../files/file-line.ts"
import { removeStaleTemporaries } from "../files/stale-temporaries.ts"
import type { Check } from "../rollout/check.ts"
import { checkOnDisk } from "../rollout/deliver-files.ts"
import { runPendingReload } from "../rollout/pending-reload.ts"
import type { Reload, RunReload } from "../rollout/reload.ts"
import { filesOf, type CertificateLine } from "./certificate-line.ts"

/** Cleans up at a node's start after an earlier process that was killed while it wrote files or before it reloaded. */

export interface Recovery {
  readonly directory: string
  /** Undefined when the node asks for everything that is granted. */
  readonly files: readonly FileLine[] | undefined
  readonly certificates: readonly CertificateLine[]
  readonly reload: Reload | undefined
  readonly runReload: RunReload
  /** Undefined also when no service runs yet that could serve the new certificate. */
  readonly check: Check | undefined
  readonly log: Log
}

/** Removes temporary files that were never renamed into place. */
export async function removeHalfWritten(recovery: Recovery): Promise<void> {
  for (const scope of scopesOf(recovery)) await removeStaleTemporaries(scope)
}

/** Runs a pending reload. A reload that fails is logged and stays pending; the next delivery tries it again. */
export async function finishReloads(recovery: Recovery, signal: AbortSignal): Promise<void> {
  const { directory, reload, runReload, check, log } = recovery
  for (const scope of scopesOf(recovery)) {
    const { files } = scope
    try {
      await runPendingReload({
        ...scope,
        reload,
        runReload,
        afterReload: check && files && (() => checkOnDisk(files, directory, check, signal)),
        log,
        signal,
      })
    } catch (thrown) {
      if (signal.aborted) return
      const error = asPurserError(thrown)
      log.warn(error.message, errorFields(error))
    }
  }
}

interface Scope {
  readonly directory: string
  readonly files?: readonly FileLine[]
}

/** Without a list of files, covers every directory below the base, and the certificates' directories by their lines. */
function scopesOf({ directory, files, certificates }: Recovery): Scope[] {
  const certificateFiles = filesOf(certificates)
  if (files !== undefined) return [{ directory, files: [...files, ...certificateFiles] }]
  return [{ directory }, { directory, files: certificateFiles }]
}
