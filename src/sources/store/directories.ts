import { join } from "node:path"
import { SealedFiles } from "./sealed-files.ts"

/** The directories, in the state directory, of all files that are encrypted to the store's key. */
export const storeDirectories = ["secrets", "ca/keys"] as const

export type StoreDirectory = (typeof storeDirectories)[number]

/** Returns the current files of such a directory, and the previous version of each. */
export function storedFiles(
  stateDir: string,
  directory: StoreDirectory,
): { readonly current: SealedFiles; readonly previous: SealedFiles } {
  const path = join(stateDir, directory)
  return { current: new SealedFiles(path), previous: new SealedFiles(`${path}-previous`) }
}
