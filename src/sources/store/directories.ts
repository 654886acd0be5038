import { join } from "node:path"
import { SealedFiles } from "./sealed-files.ts"

/** Directories of the state directory. All that is encrypted to the key of the store lies in one of them. */
export const storeDirectories = ["secrets", "ca/keys"] as const

export type StoreDirectory = (typeof storeDirectories)[number]

/** The files of such a directory, and the version of each before its last change. */
export function storedFiles(
  stateDir: string,
  directory: StoreDirectory,
): { readonly current: SealedFiles; readonly previous: SealedFiles } {
  const path = join(stateDir, directory)
  return { current: new SealedFiles(path), previous: new SealedFiles(`${path}-previous`) }
}
