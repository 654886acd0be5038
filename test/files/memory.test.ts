import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { isMemory } from "../../src/files/memory.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { mounted } from "./support.ts"

test("tmpfs and ramfs are memory", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  assert.equal(await isMemory(await mounted(t, "-t", "tmpfs", "none")), true)
  assert.equal(await isMemory(await mounted(t, "-t", "ramfs", "none")), true)
})

test("other file systems and absent directories are not memory", async (t) => {
  if (!(await requireService(t, "linux"))) return
  assert.equal(await isMemory("/proc"), false)
  assert.equal(await isMemory(join(await tempDir(t), "absent")), false)
})
