import { join } from "node:path"
import { temporaryPattern } from "../base/atomic-file.ts"
import { eachDirectoryBelow, eachDirectoryOfLines, type SearchScope } from "./search-directories.ts"
import { readdir, rm } from "./system-calls.ts"

/** Removes temporary files that a killed process left. */
export async function removeStaleTemporaries(scope: SearchScope): Promise<void> {
  for (const each of [eachDirectoryOfLines, eachDirectoryBelow])
    await each(scope, async (directory) => {
      for (const entry of await readdir(directory)) {
        if (entry.isFile() && temporaryPattern.test(entry.name))
          await rm(join(directory, entry.name), { force: true })
      }
    })
}
