import { mkdir, stat } from "node:fs/promises"
import { dirname } from "node:path"
import { systemErrorCode } from "./errors.ts"

/**
 * Makes a directory and its missing parents. Node's own `recursive: true` loops forever below `/proc`, where mkdir
 * reports ENOENT although the parent exists. Throws Node's system errors.
 */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, mode)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code !== "ENOENT") {
      if ((await stat(path).catch(() => null))?.isDirectory() === true) return
      throw error
    }
    const parent = dirname(path)
    if (parent === path || (await stat(parent).catch(() => null)) !== null) throw error
    await makeDirectories(parent, mode)
    await mkdir(path, mode).catch((again: unknown) => {
      // Another process made it meanwhile.
      if (systemErrorCode(again) !== "EEXIST") throw again
    })
  }
}
