import { join } from "node:path"
import { PurserError } from "../base/errors.ts"
import { Secret } from "../base/secret.ts"
import { lookOnDisk } from "../files/on-disk.ts"
import { targetPath, writtenPath, type FileLine } from "../files/file-line.ts"
import { installFiles, type InstallOptions, type InstallResult } from "../files/install.ts"
import { rm } from "../files/system-calls.ts"
import { openTargetDirectory } from "../files/target-directory.ts"
import { clearPendingReloads, recordPendingReloads } from "./pending-reload.ts"
import { reloadWith, type Reload, type RunReload } from "./reload.ts"
import type { RolloutFile, RolloutTarget } from "./target.ts"
import { localHosts } from "./check-served.ts"

/** Rolls out into directories of this machine. A reload is recorded there as pending until the rollout is over. */

export interface DirectoryTargetOptions extends Omit<
  InstallOptions,
  "beforeRename" | "openPlace" | "ownerOf"
> {
  readonly reload?: Reload | undefined
  readonly runReload: RunReload
  /** Called between recording the reload and the first rename, for tests that interfere there. */
  readonly onRecorded?: () => void
}

/** `lines` are all files of the set, including those that are not written now. */
export function directoryTarget(
  lines: readonly FileLine[],
  options: DirectoryTargetOptions,
): RolloutTarget<InstallResult> {
  const { directory, reload, runReload, signal, onRecorded } = options
  return {
    oldFiles: `the old files in ${directory}`,
    nothingBefore: "there are no old files to put back, so the new files stay",
    hosts: async () => localHosts,
    write: (files, beforeChange) =>
      installFiles(files, {
        ...options,
        async beforeRename(staged) {
          await beforeChange(staged.map(({ file }) => writtenPath(file)))
          if (reload !== undefined) await recordPendingReloads(staged, reload)
          onRecorded?.()
        },
      }),
    async readOld(changing) {
      const old = new Map<string, RolloutFile>()
      for (const line of lines) {
        const { name } = line
        const path = writtenPath(line)
        const found = await lookOnDisk(line, directory)
        if (found?.bytes)
          old.set(path, { path, name, content: new Secret(found.bytes), ...access(found.stats) })
        else if (found !== null && changing.some((file) => file.path === path))
          throw tooLarge(targetPath(line, directory))
      }
      return old
    },
    async remove(paths) {
      for (const name of paths) {
        await using place = await openTargetDirectory({ name }, directory, { create: false })
        if (place !== null) await rm(join(place.directory, place.leaf), { force: true })
      }
    },
    async reload() {
      if (reload === undefined) return false
      await reloadWith(runReload, reload, signal)
      return true
    },
    clearPending: () => clearPendingReloads({ directory, files: lines }),
  }
}

function access({ mode, uid, gid }: { mode: number; uid: number; gid: number }) {
  // Only root can give files away.
  return { mode: mode & 0o7777, ...(process.getuid?.() === 0 ? { owner: `${uid}:${gid}` } : {}) }
}

function tooLarge(path: string): PurserError {
  return new PurserError("ERR_CHECK", `the old content of ${path} cannot be kept`, {
    hint: "nothing was changed; remove the file, or the check",
  })
}
