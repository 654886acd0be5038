import { readFile } from "node:fs/promises"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { FileLine } from "./file-line.ts"
import { resolveOwner, type Owner } from "./owner.ts"
import type { TargetDirectory } from "./target-directory.ts"

/**
 * Resolves `USER[:GROUP]` by this system's own names. The default group is the user's own, or the same number for a
 * numeric user without an entry. Throws `ERR_TARGET` for an unknown name.
 */
export async function resolveLocalOwner(owner: string): Promise<Owner> {
  return await resolveOwner(owner, (path) => readFile(path, "utf8").catch(() => null), {
    groupOfUnlisted: (uid) => uid,
    unknown: (kind, name) =>
      new PurserError("ERR_TARGET", `there is no ${kind} ${quote(name)} here`, {
        hint: "use the number: a container has its own names",
      }),
  })
}

/**
 * The owner that a file gets: that of its line, else that of its directory. Undefined when this process is not root and
 * therefore remains the owner.
 */
export async function ownerOf(
  { owner }: Pick<FileLine, "owner">,
  place: TargetDirectory,
): Promise<Owner | undefined> {
  if (owner !== undefined) return await resolveLocalOwner(owner)
  if (process.getuid?.() !== 0) return undefined
  const stats = await place.handle?.stat()
  return stats === undefined ? undefined : { uid: stats.uid, gid: stats.gid }
}
