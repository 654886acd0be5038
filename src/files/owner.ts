import { readFile } from "node:fs/promises"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { FileLine } from "./file-line.ts"
import type { TargetDirectory } from "./target-directory.ts"

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * `USER[:GROUP]`, each a number or a name of this system's `/etc/passwd` and `/etc/group`. Without a group: the user's
 * own, or for a number that has none there, the same number. Throws `ERR_TARGET` for a name that is not there.
 */
export async function resolveOwner(owner: string): Promise<Owner> {
  const [user = "", group] = owner.split(":")
  const entry = await findEntry("/etc/passwd", user)
  const uid = idOf(user, entry?.[2])
  if (uid === undefined) throw unknown("user", user)
  if (group === undefined) return { uid, gid: idOf(entry?.[3] ?? "", undefined) ?? uid }
  const gid = idOf(group, (await findEntry("/etc/group", group))?.[2])
  if (gid === undefined) throw unknown("group", group)
  return { uid, gid }
}

/** Who is to own a file: as its line says, or as its directory; undefined where the writer may, because it cannot be otherwise. */
export async function ownerOf(line: FileLine, place: TargetDirectory): Promise<Owner | undefined> {
  if (line.owner !== undefined) return await resolveOwner(line.owner)
  if (process.getuid?.() !== 0) return undefined
  const stats = await place.handle?.stat()
  return stats === undefined ? undefined : { uid: stats.uid, gid: stats.gid }
}

export function idOf(name: string, found: string | undefined): number | undefined {
  if (/^\d{1,10}$/.test(name)) return Number(name)
  return found === undefined || !/^\d{1,10}$/.test(found) ? undefined : Number(found)
}

async function findEntry(file: string, name: string): Promise<string[] | undefined> {
  return entryIn(await readFile(file, "utf8").catch(() => ""), name)
}

/** The fields of the line with this name, or with this number as its id (passwd(5), group(5)). */
export function entryIn(text: string, name: string): string[] | undefined {
  const entries = text.split("\n").map((line) => line.split(":"))
  return (
    entries.find((fields) => fields[0] === name) ??
    entries.find((fields) => /^\d+$/.test(name) && fields[2] === name)
  )
}

function unknown(kind: string, name: string): PurserError {
  return new PurserError("ERR_TARGET", `there is no ${kind} ${quote(name)} here`, {
    hint: "use the number: a container has its own names",
  })
}
