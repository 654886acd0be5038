import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"

/** A fresh directory, mode 0700, removed with everything in it after the test. */
export async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "purser-test-"))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}
