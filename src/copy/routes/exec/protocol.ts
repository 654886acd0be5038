import { randomBytes } from "node:crypto"
import { PurserError } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"
import type { Secret } from "../../../base/secret.ts"
import type { Owner } from "../../../files/owner.ts"
import { targetError } from "../../../files/target-directory.ts"
import type { ExecSession } from "./session.ts"
import type { FileStat } from "../../file-stat.ts"
import { RouteUnsuitable } from "../../route.ts"

/** The orders to the program of script.ts, and its answers. */

export interface LookResult {
  /** The type of the directory's filesystem: `tmpfs`. */
  readonly filesystem: string
  readonly kind: string
  /** Null for a path without a regular file. */
  readonly found: FileStat | null
}

/**
 * Reads the program's first line and returns the user that it runs as. Throws {@link RouteUnsuitable} if the container
 * has no shell or lacks a program.
 */
export async function handshake(session: ExecSession): Promise<Owner> {
  const [word, ...rest] = await session.answer()
  if (word === "missing") throw new RouteUnsuitable(`there is no ${rest.join(" ")} in it`)
  const [uid, gid] = rest.map(Number)
  if (word === "purser" && Number.isSafeInteger(uid) && Number.isSafeInteger(gid))
    return { uid: uid ?? NaN, gid: gid ?? NaN }
  // Otherwise the line is the engine's own error about a missing shell.
  throw await session.endReason()
}

/** Orders a look at a file. `number`, from 1, names the file in all later orders. */
export function sendLook(session: ExecSession, number: number, path: string, content: Secret): void {
  const digest = content.digest.slice("sha256:".length)
  session.send(`look ${number} ${content.sizeBytes} ${digest} ${escapeForPrintf(path)}`)
}

/** Reads the answer to {@link sendLook}. Throws `ERR_TARGET`. */
export async function readLook(session: ExecSession, path: string): Promise<LookResult> {
  const [filesystem = "", ...state] = await expectAnswer(session, "at", [path])
  return { filesystem, kind: state[0] ?? "", found: parseFileStat(state) }
}

export interface Put {
  /** The file's number, as given to {@link sendLook}. */
  readonly number: number
  readonly path: string
  readonly content: Secret
  readonly mode: number
  readonly owner: Owner
  /** The user that the program runs as. */
  readonly self: Owner
}

/** Stages a file under a temporary name and verifies its digest. Throws `ERR_TARGET` and {@link RouteUnsuitable}. */
export async function put(
  session: ExecSession,
  { number, path, content, mode, owner, self }: Put,
): Promise<void> {
  const isOwn = owner.uid === self.uid && owner.gid === self.gid
  // New files are never executable; and before a file is given to another owner, its mask lets no other user read it.
  const how = isOwn && (mode & 0o111) === 0 ? `${octal(0o777 & ~mode)} -` : `077 ${octal(mode)}`
  const temporary = `.purser-${randomBytes(8).toString("hex")}.tmp`
  const give = `${owner.uid}:${owner.gid} ${isOwn ? "no" : "yes"}`
  session.send(`put ${number} ${how} ${give} ${temporary}`, content.reveal())
  await expectAnswer(session, "staged", [path])
}

/** Renames the staged files. Resolves with the files then in target, in the order of the puts. Throws `ERR_TARGET`. */
export async function commit(session: ExecSession, puts: readonly Put[]): Promise<(FileStat | null)[]> {
  const paths: string[] = []
  for (const { number, path } of puts) paths[number - 1] = path
  session.send("commit")
  await expectAnswer(session, "changed", paths)
  const found: (FileStat | null)[] = []
  for (const _ of puts) found.push(parseFileStat(await expectAnswer(session, "read", paths)))
  return found
}

/** Returns the error for the mount point of a single file, which cannot be replaced by a rename. */
export function mountPointError(path: string): PurserError {
  return new PurserError("ERR_TARGET", `cannot write ${path}: it is a mount point itself`, {
    hint: "mount the directory instead of the single file",
  })
}

/** Reads an answer and returns the words after the expected one. */
async function expectAnswer(session: ExecSession, word: string, paths: readonly string[]): Promise<string[]> {
  const [first, ...rest] = await session.answer()
  if (first === word) return rest
  if (first !== "no")
    throw new PurserError("ERR_PROTOCOL", "the shell in the container gave an unexpected answer")
  const [reason = "", number] = rest
  const path = paths.length === 1 ? paths[0] : paths[Number(number) - 1]
  throw await refusalError(session, reason, path ?? "")
}

/** The system error code of each reason of the script that the programs' own messages do not tell. */
const reasonCodes: Readonly<Record<string, string>> = {
  way: "ENOTDIR",
  denied: "EACCES",
  directory: "EISDIR",
}

const messageCodes: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/no space left|quota exceeded/i, "ENOSPC"],
  [/read-only file system/i, "EROFS"],
  [/permission denied/i, "EACCES"],
  [/not permitted/i, "EPERM"],
]

/** Returns the error for a reason of the script. Resolves when the session has ended. */
export async function refusalError(session: ExecSession, reason: string, path: string): Promise<Error> {
  const stderr = await session.readStderr()
  if (reason === "chown")
    return new RouteUnsuitable(
      `${path} is to be another user's, and root of this container may not change owners (it lacks CHOWN)`,
    )
  if (reason === "twice")
    return new PurserError("ERR_TARGET", `${path} is the same file as another of this set`, {
      hint: "a link leads there; give each file a path of its own",
    })
  if (reason === "rename" && /busy/i.test(stderr)) return mountPointError(path)
  const code = reasonCodes[reason] ?? messageCodes.find(([pattern]) => pattern.test(stderr))?.[1]
  if (code !== undefined) return targetError(path, Object.assign(new Error(stderr), { code }))
  const why =
    reason === "digest"
      ? "the content that arrived is not the content that was sent"
      : `${reason} failed: ${quote(stderr)}`
  return new PurserError("ERR_TARGET", `cannot write ${path}: ${why}`)
}

function parseFileStat([kind, permissions = "", uid, gid, same]: readonly string[]): FileStat | null {
  if (kind !== "file") return null
  return {
    same: same === "unread" ? null : same === "yes",
    mode: parseMode(permissions),
    uid: Number(uid),
    gid: Number(gid),
  }
}

/**
 * Parses the permissions that ls prints: `-r--r-----`, which a sign may follow for an access control list or a security
 * label. Returns NaN for any other text.
 */
export function parseMode(permissions: string): number {
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

/** Escapes every byte that could have a meaning as `\0ooo`, which `printf %b` decodes. */
export function escapeForPrintf(path: string): string {
  return Array.from(Buffer.from(path), (byte) =>
    /[A-Za-z0-9/._-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `\\0${byte.toString(8).padStart(3, "0")}`,
  ).join("")
}
