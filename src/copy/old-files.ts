import { join } from "node:path"
import { PurserError, isPurserError, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import { getArchive } from "../docker/archive.ts"
import { execIn } from "../docker/exec.ts"
import { statusOf } from "../docker/refusal.ts"
import { readTar } from "../docker/tar.ts"
import { openCurrent, readAll } from "../files/content.ts"
import type { Owner } from "../files/owner.ts"
import { rm } from "../files/system-calls.ts"
import { openInRoot } from "./container-root.ts"
import { modeOf } from "./routes/exec-protocol.ts"
import { openContainerProcess } from "./process.ts"
import { procRoute } from "./routes/proc.ts"
import type { RouteTask } from "./route.ts"

/**
 * What lies in a container before it is replaced, so that it can be put back. A file that cannot be read, or is
 * larger than 1 MiB, ends the delivery before anything has changed: without the old one there is no way back.
 */

export interface OldFile extends Owner {
  readonly content: Secret
  /** Permission bits. */
  readonly mode: number
}

export const maxOldBytes = 1024 * 1024
const shellMs = 15_000
const path = 'export LC_ALL=C PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; set -f'
/** Exit codes: 3 for nothing there, 4 for what is no file, 5 for what may not be read. */
const readScript = `${path}
[ ! -L "$1" ] || exit 4
[ -e "$1" ] || exit 3
[ -f "$1" ] || exit 4
[ -r "$1" ] || exit 5
file=$1
set -- $(ls -lnd "$file") || exit 6
echo "$1 $3 $4"
cat "$file"`

/** By the path; those that are not there are left out. Throws `ERR_CHECK` for what cannot be kept. */
export async function readOld(task: RouteTask): Promise<ReadonlyMap<string, OldFile>> {
  if ((await procRoute.whyNot(task)) === null) return await throughProcess(task)
  const old = new Map<string, OldFile>()
  for (const file of task.files) {
    const found = await byShell(task, file.path)
    if (found !== null) old.set(file.path, found)
  }
  return old
}

async function throughProcess({
  engine,
  container,
  files,
  signal,
}: RouteTask): Promise<Map<string, OldFile>> {
  await using held = await openContainerProcess(engine, container, signal)
  const root = await held.openRoot()
  const old = new Map<string, OldFile>()
  try {
    for (const file of files) {
      await using place = await openInRoot(root, file.path)
      await using current = await openCurrent(place)
      if (current === null) continue
      if (current.stats.size > maxOldBytes) throw cannotKeep(file.path, "it is larger than 1 MiB")
      const bytes = await readAll(current)
      if (bytes === null) throw cannotKeep(file.path, "it cannot be read")
      const { mode, uid, gid } = current.stats
      old.set(file.path, { content: new Secret(bytes), mode: mode & 0o777, uid, gid })
    }
    return old
  } finally {
    await root.close()
  }
}

/** By root of the container, or by whose the file is expected to be; else as the engine sees it, which is not a tmpfs. */
async function byShell(task: RouteTask, file: string): Promise<OldFile | null> {
  const { engine, container, signal } = task
  for (const user of ["0:0", undefined]) {
    const command = ["sh", "-c", readScript, "sh", file]
    const { exitCode, stdout } = await execIn(
      engine,
      container.id,
      {
        command,
        timeoutMs: shellMs,
        maxOutputBytes: maxOldBytes + 1000,
        ...(user === undefined ? {} : { user }),
      },
      signal,
    ).catch((error: unknown) => {
      if (isPurserError(error, "ERR_LIMIT")) throw cannotKeep(file, "it is larger than 1 MiB")
      // Newer engines refuse so what has no shell.
      if (isPurserError(error, "ERR_DOCKER")) return { exitCode: 127, stdout: Buffer.alloc(0) }
      throw error
    })
    if (exitCode === 3) return null
    if (exitCode === 4) throw cannotKeep(file, "it is no regular file")
    if (exitCode === 126 || exitCode === 127) return await byArchive(task, file)
    if (exitCode !== 0) continue
    const end = stdout.indexOf(10)
    const [permissions = "", uid, gid] = stdout.toString("latin1", 0, Math.max(end, 0)).split(" ")
    const mode = modeOf(permissions)
    if (end < 0 || Number.isNaN(mode)) continue
    const content = new Secret(Buffer.from(stdout.subarray(end + 1)))
    return { content, mode: mode & 0o777, uid: Number(uid), gid: Number(gid) }
  }
  throw cannotKeep(file, "it cannot be read")
}

async function byArchive({ engine, container, signal }: RouteTask, file: string): Promise<OldFile | null> {
  const archive = await getArchive(engine, container.id, file, signal).catch((error: unknown) => {
    if (isPurserError(error, "ERR_DOCKER") && statusOf(error) === 404) return null
    throw error
  })
  if (archive === null) return null
  const entry = readTar(archive)[0]
  if (entry?.type !== "file") throw cannotKeep(file, "it is no regular file")
  if (entry.content.length > maxOldBytes) throw cannotKeep(file, "it is larger than 1 MiB")
  const { mode, uid, gid } = entry
  return { content: new Secret(entry.content), mode: mode & 0o777, uid, gid }
}

/** Files that a set added, when what was there before is put back. */
export async function removeFrom(task: RouteTask, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return
  const { engine, container, signal } = task
  if ((await procRoute.whyNot(task)) === null) {
    await using held = await openContainerProcess(engine, container, signal)
    const root = await held.openRoot()
    try {
      for (const file of paths) {
        await using place = await openInRoot(root, file)
        await rm(join(place.directory, place.leaf), { force: true }).catch((error: unknown) => {
          throw new PurserError(
            "ERR_TARGET",
            `cannot remove ${file} (${systemErrorCode(error) ?? "unknown"})`,
          )
        })
      }
    } finally {
      await root.close()
    }
    return
  }
  const command = ["sh", "-c", `${path}; rm -f "$@"`, "sh", ...paths]
  const { exitCode } = await execIn(
    engine,
    container.id,
    { command, user: "0:0", timeoutMs: shellMs },
    signal,
  )
  if (exitCode !== 0) throw new PurserError("ERR_TARGET", `cannot remove ${paths.map(quote).join(", ")}`)
}

function cannotKeep(file: string, why: string): PurserError {
  return new PurserError("ERR_CHECK", `the old content of ${quote(file)} cannot be kept: ${why}`, {
    hint: "nothing was changed; without the check it would be replaced for good",
  })
}
