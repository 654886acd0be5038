import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"

/** Not the machine's own place, into which tests of `purser run` look meanwhile. Not made yet. */
export async function rootInMemory(t: TestContext): Promise<string> {
  const directory = await mkdtemp("/dev/shm/purser-test-")
  t.after(() => rm(directory, { recursive: true, force: true }))
  return join(directory, "purser")
}
