import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { resolveOwner, type Owner, type OwnerRules, type ReadNames } from "../files/owner.ts"

const unknown: OwnerRules["unknown"] = (kind, name) =>
  new PurserError("ERR_TARGET", `there is no ${kind} ${quote(name)} in the container`, {
    hint: "use the number",
  })

/**
 * `USER[:GROUP]` of a file line, by the container's own names: without a group the user's own, or for a number
 * that has none there, the same number. Throws `ERR_TARGET`.
 */
export async function resolveFileOwner(owner: string, read: ReadNames): Promise<Owner> {
  return await resolveOwner(owner, read, { groupOfUnlisted: (uid) => uid, unknown })
}

/**
 * The user that the container was configured to run as, as the engine reads it. Null for a name that is not there (any
 * more). Not the user of the first process at this moment: an entry point that starts as root and then becomes the
 * application's user would get another owner depending on when we look.
 */
export async function resolveContainerUser(user: string, read: ReadNames): Promise<Owner | null> {
  if (/^(0|root)?$/.test(user)) return { uid: 0, gid: 0 }
  return await resolveOwner(user, read, { groupOfUnlisted: () => 0, unknown }).catch((error: unknown) => {
    if (error instanceof PurserError) return null
    throw error
  })
}
