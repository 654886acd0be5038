import type { PurserError } from "../base/errors.ts"

/**
 * `USER[:GROUP]`, each a number or a name, by the text of passwd(5) and group(5). Read as container engines read it
 * (github.com/moby/sys/user, `GetExecUser`), so that what we write belongs to the user that the application gets: a
 * number is an id and never a name, and the first line that fits counts. Reading the text is the caller's, because it
 * is this system's own, or a container's through the engine or through its process's root.
 */

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** The text of a file, or null where there is none. */
export type ReadNames = (path: "/etc/passwd" | "/etc/group") => Promise<string | null>

/** Far more than any that people keep; the container may have written it. */
export const maxNamesBytes = 1024 * 1024

export interface OwnerRules {
  /** The group of a number without a line in /etc/passwd: 0 is the engine's rule. */
  groupOfUnlisted: (uid: number) => number
  /** The error for a name that is not there. */
  unknown: (kind: "user" | "group", name: string) => PurserError
}

/** No user is root, and no group is the user's own. Reads only what it needs: numbers with a group need neither file. */
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

/** 4294967295 is no id: to chown(2) it means that nothing changes. */
function idOf(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) < 0xffff_ffff ? Number(text) : undefined
}
