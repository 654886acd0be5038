import { globSync } from "node:fs"
import { chmod, cp, mkdir, readFile, readdir } from "node:fs/promises"
import { join, resolve } from "node:path"
import type { TestContext } from "node:test"
import { tempDir } from "../support/temp.ts"

/** State directories of earlier versions, made by `test/fixtures/state/make.sh`. */

const root = resolve(import.meta.dirname, "../fixtures/state")

/** The `user_version` of each directory. */
export const oldVersions: readonly number[] = globSync("version-*", { cwd: root })
  .map((name) => Number(name.slice("version-".length)))
  .toSorted((a, b) => a - b)

/** Copies such a state directory and restores its modes, which git does not keep. */
export async function stateOf(t: TestContext, version: number): Promise<string> {
  const dir = join(await tempDir(t), "state")
  await mkdir(dir, { mode: 0o700 })
  await cp(join(root, `version-${version}`, "state"), dir, { recursive: true })
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }))
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o700 : 0o600)
  return dir
}

/** Returns the output of a command of that version about its state directory; null if it had no such command. */
export async function printedBy(version: number, file: string): Promise<string | null> {
  return await readFile(join(root, `version-${version}`, "printed", file), "utf8").catch(() => null)
}
