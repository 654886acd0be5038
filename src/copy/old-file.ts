import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import type { RolloutFile } from "../rollout/target.ts"

/** The largest old file that is kept. A larger or unreadable one ends the delivery before anything has changed. */
export const maxOldBytes = 1024 * 1024

/** Returns an old file of a container in the form that puts it back. */
export function oldFile(
  path: string,
  content: Buffer,
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
): RolloutFile {
  return { path, name: path, content: new Secret(content), mode: mode & 0o777, owner: `${uid}:${gid}` }
}

export function cannotKeep(file: string, why: string): PurserError {
  return new PurserError("ERR_CHECK", `the old content of ${quote(file)} cannot be kept: ${why}`, {
    hint: "nothing was changed; remove the check to replace the file without a way back",
  })
}
