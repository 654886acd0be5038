import { PurserError, isPurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import { getArchive } from "../docker/archive.ts"
import { execIn } from "../docker/exec.ts"
import { statusOf } from "../docker/refusal.ts"
import { readTar } from "../docker/tar.ts"
import { openCurrent, readAll } from "../files/content.ts"
import type { RolloutFile } from "../rollout/target.ts"
import { openInRoot } from "./container-root.ts"
import { shellStart } from "./remove-files.ts"
import { modeOf } from "./routes/exec/protocol.ts"
import { openContainerProcess } from "./process.ts"
import { procRoute } from "./routes/proc/copy.ts"
import type { RouteTask } from "./route.ts"

/**
 * Reads what lies in a container before it is replaced, so that it can be put back. A file that cannot be read, or is
 * larger than 1 MiB, ends the delivery before anything has changed, because there would be no way back.
 */

const maxOldBytes = 1024 * 1024
const shellMs = 15_000
/** Exit codes: 3 for nothing there, 4 for what is no file, 5 for what may not be read. */
const readScript = `${shellStart}
[ ! -L "$1" ] || exit 4
[ -e "$1" ] || exit 3
[ -f "$1" ] || exit 4
[ -r "$1" ] || exit 5
file=$1
set -- $(ls -lnd "$file") || exit 6
echo "$1 $3 $4"
cat "$file"`

/** By path, without those that are not there. Throws `ERR_CHECK` for what cannot be kept. */
export async function readOld(task: RouteTask): Promise<ReadonlyMap<string, RolloutFile>> {
  if ((await procRoute.whyNot(task)) === null) return await throughProcess(task)
  const old = new Map<string, RolloutFile>()
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
}: RouteTask): Promise<Map<string, RolloutFile>> {
  await using held = await openContainerProcess(engine, container, signal)
  const root = await held.openRoot()
  const old = new Map<string, RolloutFile>()
  try {
    for (const file of files) {
      await using place = await openInRoot(root, file.path)
      await using current = await openCurrent(place)
      if (current === null) continue
      if (current.stats.size > maxOldBytes) throw cannotKeep(file.path, "it is larger than 1 MiB")
      const bytes = await readAll(current)
      if (bytes === null) throw cannotKeep(file.path, "it cannot be read")
      old.set(file.path, oldFile(file.path, bytes, current.stats))
    }
    return old
  } finally {
    await root.close()
  }
}

/** By root of the container, or by whose the file is expected to be; else as the engine sees it, which is not a tmpfs. */
async function byShell(task: RouteTask, file: string): Promise<RolloutFile | null> {
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
    const content = Buffer.from(stdout.subarray(end + 1))
    return oldFile(file, content, { mode, uid: Number(uid), gid: Number(gid) })
  }
  throw cannotKeep(file, "it cannot be read")
}

async function byArchive(
  { engine, container, signal }: RouteTask,
  file: string,
): Promise<RolloutFile | null> {
  const archive = await getArchive(engine, container.id, file, signal).catch((error: unknown) => {
    if (isPurserError(error, "ERR_DOCKER") && statusOf(error) === 404) return null
    throw error
  })
  if (archive === null) return null
  const entry = readTar(archive)[0]
  if (entry?.type !== "file") throw cannotKeep(file, "it is no regular file")
  if (entry.content.length > maxOldBytes) throw cannotKeep(file, "it is larger than 1 MiB")
  return oldFile(file, entry.content, entry)
}

function oldFile(
  path: string,
  content: Buffer,
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
): RolloutFile {
  return { path, name: path, content: new Secret(content), mode: mode & 0o777, owner: `${uid}:${gid}` }
}

function cannotKeep(file: string, why: string): PurserError {
  return new PurserError("ERR_CHECK", `the old content of ${quote(file)} cannot be kept: ${why}`, {
    hint: "nothing was changed; without the check it would be replaced for good",
  })
}
