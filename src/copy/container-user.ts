import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { resolveOwner, type Owner, type OwnerRules, type ReadNames } from "../files/owner.ts"

const unknown: OwnerRules["unknown"] = (kind, name) =>
  new PurserError("ERR_TARGET", `there is no ${kind} ${quote(name)} in the container`, {
    hint: "give the owner as a number",
  })

/**
 * Resolves `USER[:GROUP]` of a file line by the container's own names. Without a group, the user's own group applies,
 * or for a number without an entry the group of the same number. Throws `ERR_TARGET`.
 */
export async function resolveFileOwner(owner: string, read: ReadNames): Promise<Owner> {
  return await resolveOwner(owner, read, { groupOfUnlisted: (uid) => uid, unknown })
}

/**
 * Resolves the user that the container is configured to run as, by the engine's rules. Returns null for a name that
 * does not exist there (any more). The first process's current user is not used, because an entry point that starts as
 * root and then switches to the application's user would make the owner depend on the moment.
 */
export async function resolveContainerUser(user: string, read: ReadNames): Promise<Owner | null> {
  if (/^(0|root)?$/.test(user)) return { uid: 0, gid: 0 }
  return await resolveOwner(user, read, { groupOfUnlisted: () => 0, unknown }).catch((error: unknown) => {
    if (error instanceof PurserError) return null
    throw error
  })
}
