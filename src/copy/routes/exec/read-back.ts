import type { Owner } from "../../../files/owner.ts"
import type { ReadBack, RouteQuery } from "../../route.ts"
import { ShellReader } from "./shell-reader.ts"

/** Opens a reader with a shell for each owner. Throws `RouteUnsuitable` if the container has no shell. */
export async function openShellReadBack(query: RouteQuery, owners: readonly Owner[]): Promise<ReadBack> {
  const reader = new ShellReader(query)
  try {
    for (const owner of owners) await reader.as(owner)
  } catch (error) {
    await reader[Symbol.asyncDispose]()
    throw error
  }
  return {
    how: "read back by a shell in it",
    look: (path, content, owner) => reader.look(path, content, owner),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  }
}
