import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { entryIn, idOf, type Owner } from "../files/owner.ts"

/** Far more than any that people keep; the container may have written it. */
export const maxNamesBytes = 1024 * 1024

/** Text of a file in the container, or null. */
export type ReadNames = (path: "/etc/passwd" | "/etc/group") => Promise<string | null>

/**
 * `USER[:GROUP]` of a file line, by the container's own names: without a group the user's own, or for a number
 * that has none there, the same number. Throws `ERR_TARGET`.
 */
export async function resolveFileOwner(owner: string, read: ReadNames): Promise<Owner> {
  return await resolve(owner, read, (uid) => uid)
}

/**
 * The user that the container was configured to run as, read as the engine reads it: nothing is root, and the group
 * of a number without a line in /etc/passwd is root's. Null for a name that is not there (any more).
 * Not what the first process runs as at this moment: an entry point that starts as root and then becomes the
 * application's user would get another owner depending on when we look.
 */
export async function resolveContainerUser(user: string, read: ReadNames): Promise<Owner | null> {
  if (/^(0|root)?$/.test(user)) return { uid: 0, gid: 0 }
  return await resolve(user, read, () => 0).catch((error: unknown) => {
    if (error instanceof PurserError) return null
    throw error
  })
}

async function resolve(text: string, read: ReadNames, groupOf: (uid: number) => number): Promise<Owner> {
  const [user = "", group = ""] = text.split(":")
  const entry = entryIn((await read("/etc/passwd")) ?? "", user)
  const uid = user === "" ? 0 : idOf(user, entry?.[2])
  if (uid === undefined) throw unknown("user", user)
  if (group === "") return { uid, gid: idOf(entry?.[3] ?? "", undefined) ?? groupOf(uid) }
  const gid = idOf(
    group,
    /^\d+$/.test(group) ? undefined : entryIn((await read("/etc/group")) ?? "", group)?.[2],
  )
  if (gid === undefined) throw unknown("group", group)
  return { uid, gid }
}

function unknown(kind: string, name: string): PurserError {
  return new PurserError("ERR_TARGET", `there is no ${kind} ${quote(name)} in the container`, {
    hint: "use the number",
  })
}
