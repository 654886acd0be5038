import { randomBytes } from "node:crypto"
import { PurserError } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"
import type { Secret } from "../../../base/secret.ts"
import type { Owner } from "../../../files/owner.ts"
import { targetError } from "../../../files/target-directory.ts"
import type { ExecSession } from "./session.ts"
import type { FileStat } from "../../file-stat.ts"
import { RouteUnsuitable } from "../../route.ts"

/** The orders that the program of script.ts takes, and its answers. */

export interface LookResult {
  /** The directory's: `tmpfs`. */
  readonly filesystem: string
  readonly kind: string
  /** Null for what is no file. */
  readonly found: FileStat | null
}

/** Resolves with the user that the program runs as. Throws {@link RouteUnsuitable} where a shell or a program is missing. */
export async function handshake(session: ExecSession): Promise<Owner> {
  const [word, ...rest] = await session.answer()
  if (word === "missing") throw new RouteUnsuitable(`there is no ${rest.join(" ")} in it`)
  const [uid, gid] = rest.map(Number)
  if (word === "purser" && Number.isSafeInteger(uid) && Number.isSafeInteger(gid))
    return { uid: uid ?? NaN, gid: gid ?? NaN }
  // The engine's own words where there is no shell.
  throw await session.whyOver()
}

/** `number` is the file's for all that follows, from 1. */
export function orderLook(session: ExecSession, number: number, path: string, content: Secret): void {
  const digest = content.digest.slice("sha256:".length)
  session.send(`look ${number} ${content.sizeBytes} ${digest} ${forPrintf(path)}`)
}

/** Throws `ERR_TARGET`. */
export async function lookAnswer(session: ExecSession, path: string): Promise<LookResult> {
  const [filesystem = "", ...state] = await answerOf(session, "at", [path])
  return { filesystem, kind: state[0] ?? "", found: foundIn(state) }
}

export interface Put {
  /** The file's, of its look. */
  readonly number: number
  readonly path: string
  readonly content: Secret
  readonly mode: number
  readonly owner: Owner
  /** The user that the program runs as. */
  readonly self: Owner
}

/** Stages a file under a temporary name and has it checked. Throws `ERR_TARGET` and {@link RouteUnsuitable}. */
export async function put(
  session: ExecSession,
  { number, path, content, mode, owner, self }: Put,
): Promise<void> {
  const isOwn = owner.uid === self.uid && owner.gid === self.gid
  // New files are never executable; and for another owner, nobody may read before it is theirs.
  const how = isOwn && (mode & 0o111) === 0 ? `${octal(0o777 & ~mode)} -` : `077 ${octal(mode)}`
  const temporary = `.purser-${randomBytes(8).toString("hex")}.tmp`
  const give = `${owner.uid}:${owner.gid} ${isOwn ? "no" : "yes"}`
  session.send(`put ${number} ${how} ${give} ${temporary}`, content.reveal())
  await answerOf(session, "staged", [path])
}

/** Renames what was put, and resolves with what is there then, in the order of the puts. Throws `ERR_TARGET`. */
export async function commit(session: ExecSession, puts: readonly Put[]): Promise<(FileStat | null)[]> {
  const paths: string[] = []
  for (const { number, path } of puts) paths[number - 1] = path
  session.send("commit")
  await answerOf(session, "changed", paths)
  const found: (FileStat | null)[] = []
  for (const _ of puts) found.push(foundIn(await answerOf(session, "read", paths)))
  return found
}

/** Nobody can write at the mount point of a single file but over its content. */
export function mountPoint(path: string): PurserError {
  return new PurserError("ERR_TARGET", `cannot write ${path}: it is a mount point itself`, {
    hint: "mount the directory instead of the single file",
  })
}

/** The words after the expected one. */
async function answerOf(session: ExecSession, word: string, paths: readonly string[]): Promise<string[]> {
  const [first, ...rest] = await session.answer()
  if (first === word) return rest
  if (first !== "no")
    throw new PurserError("ERR_PROTOCOL", "the shell in the container answers with something else")
  const [reason = "", number] = rest
  const path = paths.length === 1 ? paths[0] : paths[Number(number) - 1]
  throw await refused(session, reason, path ?? "")
}

/** System errors by the script's reasons, as far as the programs' own words do not tell them. */
const reasons: Readonly<Record<string, string>> = { way: "ENOTDIR", denied: "EACCES", directory: "EISDIR" }

const texts: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/no space left|quota exceeded/i, "ENOSPC"],
  [/read-only file system/i, "EROFS"],
  [/permission denied/i, "EACCES"],
  [/not permitted/i, "EPERM"],
]

/** The error for a reason of the script. Resolves when the session has ended. */
export async function refused(session: ExecSession, reason: string, path: string): Promise<Error> {
  const said = await session.complaint()
  if (reason === "chown")
    return new RouteUnsuitable(
      `${path} is to be another user's, and root of this container may not give files away (it lacks CHOWN)`,
    )
  if (reason === "twice")
    return new PurserError("ERR_TARGET", `${path} is the same file as another of this set`, {
      hint: "a link leads there: give each file a path of its own",
    })
  if (reason === "rename" && /busy/i.test(said)) return mountPoint(path)
  const code = reasons[reason] ?? texts.find(([pattern]) => pattern.test(said))?.[1]
  if (code !== undefined) return targetError(path, Object.assign(new Error(said), { code }))
  const why =
    reason === "digest" ? "less or other content arrived than was sent" : `${reason} failed: ${quote(said)}`
  return new PurserError("ERR_TARGET", `cannot write ${path}: ${why}`)
}

function foundIn([kind, permissions = "", uid, gid, same]: readonly string[]): FileStat | null {
  if (kind !== "file") return null
  return {
    same: same === "unread" ? null : same === "yes",
    mode: modeOf(permissions),
    uid: Number(uid),
    gid: Number(gid),
  }
}

/** The mode that ls shows as `-r--r-----`; a sign may follow for an access control list or a security label. */
export function modeOf(permissions: string): number {
  if (!/^-([r-][w-][xsS-]){2}[r-][w-][xtT-]/.test(permissions)) return NaN
  let mode = 0
  for (const [at, letter] of Array.from(permissions.slice(1, 10)).entries()) {
    if (!/[-ST]/.test(letter)) mode |= 0o400 >> at
    if (/[sStT]/.test(letter)) mode |= 0o4000 >> ((at - 2) / 3)
  }
  return mode
}

export function octal(mode: number): string {
  return mode.toString(8).padStart(3, "0")
}

/** Every byte that could mean something as `\0ooo`, which `printf %b` turns back. */
export function forPrintf(path: string): string {
  return Array.from(Buffer.from(path), (byte) =>
    /[A-Za-z0-9/._-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `\\0${byte.toString(8).padStart(3, "0")}`,
  ).join("")
}
