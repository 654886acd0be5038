import assert from "node:assert/strict"
import { mkdir, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { parseFileLines } from "../../src/files/file-line.ts"
import { removeStaleTemporaries } from "../../src/files/stale-temporaries.ts"
import { tempDir } from "../support/temp.ts"
import { everything } from "./support.ts"

test("only temporary files of a killed process are removed", async (t) => {
  const [directory, other] = [await tempDir(t), await tempDir(t)]
  const stale = ".purser-0123456789abcdef.tmp"
  const kept = [
    "key",
    ".purser-0123456789abcdef.tmp.bak",
    "x.purser-0123456789abcdef.tmp",
    ".purser-0123.tmp",
  ]
  await mkdir(join(directory, "a/b"), { recursive: true })
  await mkdir(join(other, "below"))
  for (const place of [directory, join(directory, "a/b"), other, join(other, "below")])
    for (const name of [stale, ...kept]) await writeFile(join(place, name), "")
  // A directory of such a name must not prevent the start.
  await mkdir(join(directory, ".purser-fedcba9876543210.tmp"))
  await removeStaleTemporaries({ directory, files: parseFileLines(`key path=${other}/key`) })
  for (const place of [join(directory, "a/b"), other])
    assert.deepEqual(
      (await everything(place)).filter((name) => !name.startsWith("below")),
      kept.toSorted(),
    )
  assert.ok((await everything(other)).includes(`below/${stale}`), "below another path it is not ours")
  await removeStaleTemporaries({ directory: join(directory, "absent") })
  await removeStaleTemporaries({ directory: join(directory, "a/b/key") })
})

test("a line's directory is visited even beyond the limit of directories", async (t) => {
  const directory = await tempDir(t)
  for (let index = 0; index < 1100; index++) await mkdir(join(directory, `d${index}`))
  const last = (await readdir(directory)).at(-1) ?? ""
  await writeFile(join(directory, last, ".purser-0123456789abcdef.tmp"), "")
  await removeStaleTemporaries({ directory })
  assert.equal((await everything(join(directory, last))).length, 1, "too many without a line")
  await removeStaleTemporaries({ directory, files: parseFileLines(`key path=${last}/key`) })
  assert.deepEqual(await everything(join(directory, last)), [])
})
