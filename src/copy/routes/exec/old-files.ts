import { isPurserError } from "../../../base/errors.ts"
import { execIn } from "../../../docker/exec.ts"
import { readEntryIn } from "../../../docker/read-file.ts"
import type { RolloutFile } from "../../../rollout/target.ts"
import { cannotKeep, maxOldBytes, oldFile } from "../../old-file.ts"
import type { RouteQuery } from "../../route.ts"
import { parseMode } from "./protocol.ts"
import { shellStart } from "./script.ts"

const shellMs = 15_000
/**
 * Exit codes: 3 for a missing file, 4 for a path that is not a regular file, 5 for an unreadable file, 6 if ls fails.
 */
const readScript = `${shellStart}
[ ! -L "$1" ] || exit 4
[ -e "$1" ] || exit 3
[ -f "$1" ] || exit 4
[ -r "$1" ] || exit 5
file=$1
set -- $(ls -lnd "$file") || exit 6
echo "$1 $3 $4"
cat "$file"`

export async function readOldByShell(query: RouteQuery): Promise<ReadonlyMap<string, RolloutFile>> {
  const old = new Map<string, RolloutFile>()
  for (const { path } of query.files) {
    const found = await byShell(query, path)
    if (found !== null) old.set(path, found)
  }
  return old
}

/**
 * Reads by a shell as the container's root, then as its own user; without a shell by the engine's archive call, which
 * does not see a --tmpfs mount.
 */
async function byShell(query: RouteQuery, file: string): Promise<RolloutFile | null> {
  const { engine, container, signal } = query
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
      // Newer engines answer with an error if the container has no shell.
      if (isPurserError(error, "ERR_DOCKER")) return { exitCode: 127, stdout: Buffer.alloc(0) }
      throw error
    })
    if (exitCode === 3) return null
    if (exitCode === 4) throw cannotKeep(file, "it is not a regular file")
    if (exitCode === 126 || exitCode === 127) return await byArchive(query, file)
    if (exitCode !== 0) continue
    const end = stdout.indexOf(10)
    const [permissions = "", uid, gid] = stdout.toString("latin1", 0, Math.max(end, 0)).split(" ")
    const mode = parseMode(permissions)
    if (end < 0 || Number.isNaN(mode)) continue
    const content = Buffer.from(stdout.subarray(end + 1))
    return oldFile(file, content, { mode, uid: Number(uid), gid: Number(gid) })
  }
  throw cannotKeep(file, "it cannot be read")
}

async function byArchive(
  { engine, container, signal }: RouteQuery,
  file: string,
): Promise<RolloutFile | null> {
  const entry = await readEntryIn(engine, container.id, file, signal)
  if (entry === null) return null
  if (entry.type !== "file") throw cannotKeep(file, "it is not a regular file")
  if (entry.content.length > maxOldBytes) throw cannotKeep(file, "it is larger than 1 MiB")
  return oldFile(file, entry.content, entry)
}
