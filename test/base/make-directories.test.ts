import assert from "node:assert/strict"
import { stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { makeDirectories } from "../../src/base/make-directories.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

test("makes missing directories, and keeps existing ones", async (t) => {
  const base = await tempDir(t)
  const deep = join(base, "a/b/c")
  for (let turn = 0; turn < 2; turn++) await makeDirectories(deep, 0o700)
  assert.equal((await stat(deep)).mode & 0o777, 0o700)
  await Promise.all(Array.from({ length: 8 }, () => makeDirectories(join(base, "x/y/z"), 0o700)))
})

test("fails if a file is in the way, or a directory cannot be made", async (t) => {
  const base = await tempDir(t)
  await writeFile(join(base, "file"), "")
  await assert.rejects(makeDirectories(join(base, "file"), 0o700), { code: "EEXIST" })
  await assert.rejects(makeDirectories(join(base, "file/below/that"), 0o700), { code: "ENOTDIR" })
  if (!(await requireService(t, "linux"))) return
  await assert.rejects(makeDirectories("/proc/purser/state", 0o700), { code: "ENOENT" })
})
