import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import type { RolloutFile } from "../rollout/target.ts"

/** A larger file ends the delivery before anything has changed, as one that cannot be read does. */
export const maxOldBytes = 1024 * 1024

/** A file of a container as it is put back. */
export function oldFile(
  path: string,
  content: Buffer,
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
): RolloutFile {
  return { path, name: path, content: new Secret(content), mode: mode & 0o777, owner: `${uid}:${gid}` }
}

export function cannotKeep(file: string, why: string): PurserError {
  return new PurserError("ERR_CHECK", `the old content of ${quote(file)} cannot be kept: ${why}`, {
    hint: "nothing was changed; remove the file, or the check",
  })
}
