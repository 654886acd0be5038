import { randomBytes } from "node:crypto"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { Owner } from "../files/owner.ts"
import { refuseDisk } from "../files/install.ts"
import { targetError } from "../files/place.ts"
import { findOwners } from "./container-names.ts"
import { ExecSession } from "./exec-session.ts"
import { RouteUnsuitable, type Copied, type FileToCopy, type Route, type RouteTask } from "./route.ts"

/**
 * By a shell in the container and its usual programs, with everything over the stdin of one exec, for a set of files
 * as for one. It runs as the container's own user, so that what it makes is that user's; as root where a file is to
 * be another's.
 */
export const execRoute: Route = { name: "exec", whyNot, copy }

const memory: ReadonlySet<string> = new Set(["tmpfs", "ramfs"])

async function whyNot({ container }: RouteTask): Promise<string | null> {
  return container.state.paused ? "it is paused, and nothing can be started in it" : null
}

interface Planned {
  readonly file: FileToCopy
  readonly owner: Owner
  readonly change: "none" | "mend" | "create" | "replace"
}

async function copy(task: RouteTask): Promise<Copied> {
  const { files } = task
  const { owners, user } = await whoWrites(task)
  await using session = new ExecSession(task, user)
  files.forEach((file, index) => session.send(lookOrder(file, index)))
  const self = await greet(session)
  const plans: Planned[] = []
  for (const [index, file] of files.entries())
    plans.push(await look(session, task, file, owners[index] ?? self))
  const puts = plans.flatMap((plan, index) => (plan.change === "none" ? [] : [{ ...plan, index }]))
  for (const { file, owner, index } of puts) {
    session.send(putOrder(file, { owner, self, index }), file.content.reveal())
    await expect(session, "staged", task)
  }
  if (puts.some(({ change }) => change !== "mend")) await task.beforeChange()
  if (puts.length > 0) {
    session.send("commit")
    await expect(session, "changed", task)
    for (const put of puts) verify(await expect(session, "read", task), put)
  }
  const pathsOf = (...changes: readonly Planned["change"][]): string[] =>
    plans.filter(({ change }) => changes.includes(change)).map(({ file }) => file.path)
  return {
    written: pathsOf("create", "replace"),
    replaced: pathsOf("replace"),
    unchanged: pathsOf("none", "mend"),
  }
}

/** Owners by file, undefined for whoever runs the shell; and who that is to be. */
async function whoWrites({ engine, container, files, signal }: RouteTask): Promise<{
  owners: readonly (Owner | undefined)[]
  user: string | undefined
}> {
  if (files.every(({ owner }) => owner === undefined)) return { owners: [], user: undefined }
  const { usual, named } = await findOwners(engine, container, files, signal)
  const owners = files.map(({ owner }) => (owner === undefined ? usual : named.get(owner)) ?? undefined)
  const isOwn = (owner: Owner | undefined): boolean =>
    owner === undefined || (owner.uid === usual?.uid && owner.gid === usual.gid)
  if (owners.every(isOwn)) return { owners, user: undefined }
  if (owners.includes(undefined))
    throw new RouteUnsuitable(`its user ${quote(container.user)} is not in its /etc/passwd any more`)
  return { owners, user: "0:0" }
}

async function greet(session: ExecSession): Promise<Owner> {
  const [word, ...rest] = await session.answer()
  if (word === "missing") throw new RouteUnsuitable(`there is no ${rest.join(" ")} in it`)
  const [uid, gid] = rest.map(Number)
  if (word === "purser" && Number.isSafeInteger(uid) && Number.isSafeInteger(gid))
    return { uid: uid ?? NaN, gid: gid ?? NaN }
  // What the engine says where there is none.
  throw await session.whyOver()
}

async function look(session: ExecSession, task: RouteTask, file: FileToCopy, owner: Owner): Promise<Planned> {
  const [filesystem = "", kind = "", ...found] = await expect(session, "at", task)
  if (!memory.has(filesystem)) refuseDisk(file.path, task)
  if (kind === "mount") throw mountPoint(file.path)
  if (kind !== "none" && kind !== "file" && kind !== "link")
    throw new PurserError(
      "ERR_TARGET",
      `cannot write ${file.path}: a ${kind === "fifo" ? "FIFO" : kind} is there`,
      {
        hint: "remove it, or choose another path=",
      },
    )
  if (kind === "none") return { file, owner, change: "create" }
  const [, , , same] = found
  if (same !== "yes") return { file, owner, change: "replace" }
  return { file, owner, change: attributesDiffer(found, file, owner) === null ? "none" : "mend" }
}

/** Throws `ERR_NOT_VERIFIED`. */
function verify([kind, ...found]: readonly string[], { file, owner }: Planned): void {
  const wrong =
    kind !== "file"
      ? "is not there"
      : found[3] !== "yes"
        ? "has other content"
        : attributesDiffer(found, file, owner)
  if (wrong === null) return
  throw new PurserError("ERR_NOT_VERIFIED", `read back in the container, ${file.path} ${wrong}`, {
    hint: "something in the container changes files there; look at what writes to that directory",
  })
}

function attributesDiffer(
  [permissions = "", uid, gid]: readonly string[],
  { mode }: FileToCopy,
  owner: Owner,
): string | null {
  // ls adds a sign for an access control list or a security label.
  if (permissions.slice(0, 10) !== permissionsOf(mode)) return "has another mode"
  return uid === String(owner.uid) && gid === String(owner.gid) ? null : "has another owner"
}

function lookOrder({ path, content }: FileToCopy, index: number): string {
  return `look ${index + 1} ${content.sizeBytes} ${content.digest.slice("sha256:".length)} ${forPrintf(path)}`
}

function putOrder(
  { mode }: FileToCopy,
  { owner, self, index }: { owner: Owner; self: Owner; index: number },
): string {
  const isOwn = owner.uid === self.uid && owner.gid === self.gid
  // New files are never executable; and for another owner, nobody may read before it is theirs.
  const byMask = isOwn && (mode & 0o111) === 0
  const how = byMask ? `${octal(0o777 & ~mode)} -` : `077 ${octal(mode)}`
  const temporary = `.purser-${randomBytes(8).toString("hex")}.tmp`
  return `put ${index + 1} ${how} ${owner.uid}:${owner.gid} ${isOwn ? "no" : "yes"} ${temporary}`
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, "0")
}

/** As ls shows it: `-r--r-----`. */
function permissionsOf(mode: number): string {
  return `-${Array.from("rwxrwxrwx", (letter, at) => ((mode >> (8 - at)) & 1 ? letter : "-")).join("")}`
}

/** Every byte that could mean something as `\0ooo`, which `printf %b` turns back. */
function forPrintf(path: string): string {
  return Array.from(Buffer.from(path), (byte) =>
    /[A-Za-z0-9/._-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `\\0${byte.toString(8).padStart(3, "0")}`,
  ).join("")
}

/** The words after the expected one. */
async function expect(session: ExecSession, word: string, task: RouteTask): Promise<string[]> {
  const [first, ...rest] = await session.answer()
  if (first === word) return rest
  if (first !== "no")
    throw new PurserError(
      "ERR_PROTOCOL",
      `the shell in ${quote(task.container.name)} answers with something else`,
    )
  const [reason = "", number] = rest
  throw await refused(session, reason, task.files[Number(number) - 1]?.path ?? "")
}

/** What each reason of the script means, as far as the programs' own words do not say it. */
const reasons: Readonly<Record<string, string>> = {
  way: "ENOTDIR",
  denied: "EACCES",
  directory: "EISDIR",
}

const texts: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/no space left|quota exceeded/i, "ENOSPC"],
  [/read-only file system/i, "EROFS"],
  [/permission denied/i, "EACCES"],
  [/not permitted/i, "EPERM"],
]

async function refused(session: ExecSession, reason: string, path: string): Promise<Error> {
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

function mountPoint(path: string): PurserError {
  return new PurserError("ERR_TARGET", `cannot write ${path}: it is a mount point itself`, {
    hint: "mount the directory instead of the single file",
  })
}
