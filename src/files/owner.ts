import type { PurserError } from "../base/errors.ts"

/**
 * Resolves `USER[:GROUP]`, each a number or a name, by the text of passwd(5) and group(5). Follows the rules of container
 * engines (github.com/moby/sys/user, `GetExecUser`), so that files belong to the user that the application runs as: a
 * number is an id and never a name, and the first matching line counts. The caller reads the text, because it is either
 * this system's, or a container's (through the engine or its process's root).
 */

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** The text of a file, or null where there is none. */
export type ReadNames = (path: "/etc/passwd" | "/etc/group") => Promise<string | null>

/** The limit for each file, because a container may have written it. Real ones are far smaller. */
export const maxNamesBytes = 1024 * 1024

export interface OwnerRules {
  /** The group of a numeric user without a line in /etc/passwd. Container engines use 0. */
  groupOfUnlisted: (uid: number) => number
  /** The error for a name without a line. */
  unknown: (kind: "user" | "group", name: string) => PurserError
}

/** Resolves an owner; the default user is root, the default group the user's own. Reads only the files that it needs. Throws `unknown`. */
export async function resolveOwner(
  owner: string,
  read: ReadNames,
  { groupOfUnlisted, unknown }: OwnerRules,
): Promise<Owner> {
  if (owner === "") return { uid: 0, gid: 0 }
  const [user = "", group = ""] = owner.split(":")
  const number = user === "" ? 0 : idOf(user)
  if (number !== undefined && group !== "") return { uid: number, gid: await groupId() }
  const found = findUser((await read("/etc/passwd")) ?? "", number ?? user)
  const uid = number ?? found?.uid
  if (uid === undefined) throw unknown("user", user)
  return { uid, gid: group === "" ? (found?.gid ?? groupOfUnlisted(uid)) : await groupId() }

  async function groupId(): Promise<number> {
    const gid = idOf(group) ?? findGroup((await read("/etc/group")) ?? "", group)
    if (gid === undefined) throw unknown("group", group)
    return gid
  }
}

/** The ids of a user by name or number. An id is undefined where its field is not one. */
function findUser(
  passwd: string,
  user: string | number,
): { uid: number | undefined; gid: number | undefined } | undefined {
  for (const [name, , uid = "", gid = ""] of linesOf(passwd)) {
    const found = { uid: idOf(uid), gid: idOf(gid) }
    if (typeof user === "number" ? found.uid === user : name === user) return found
  }
  return undefined
}

function findGroup(text: string, group: string): number | undefined {
  for (const [name, , gid = ""] of linesOf(text)) if (name === group) return idOf(gid)
  return undefined
}

function linesOf(text: string): string[][] {
  return text.split("\n").map((line) => line.trim().split(":"))
}

/** Reads an id. 4294967295 is not one, because it means "do not change" to chown(2). */
function idOf(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) < 0xffff_ffff ? Number(text) : undefined
}
