import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { fileKind } from "../../../src/sources/kinds/file.ts"
import type { Source } from "../../../src/sources/source.ts"
import { tempDir } from "../../support/temp.ts"
import { code, limit, signal, sourceOf } from "../host.ts"

const fileAt = (path: string): Source => sourceOf(fileKind, { kind: "file", path })

test("gives the bytes as they are, through a link too", async (t) => {
  const directory = await tempDir(t)
  const bytes = Buffer.from([0, 255, 10, 13, 10])
  await writeFile(join(directory, "a"), bytes)
  await symlink("a", join(directory, "b"))
  assert.deepEqual((await fileAt(join(directory, "b")).read("", signal))?.reveal(), bytes)
})

test("an absent file is null, as is one below a file", async (t) => {
  const directory = await tempDir(t)
  await writeFile(join(directory, "a"), "")
  assert.equal(await fileAt(join(directory, "none")).read("", signal), null)
  assert.equal(await fileAt(join(directory, "a/b")).read("", signal), null)
})

test("refuses a file larger than the limit, and takes one of exactly the limit", async (t) => {
  const directory = await tempDir(t)
  await writeFile(join(directory, "a"), Buffer.alloc(limit))
  await writeFile(join(directory, "b"), Buffer.alloc(limit + 1))
  assert.equal((await fileAt(join(directory, "a")).read("", signal))?.sizeBytes, limit)
  await assert.rejects(fileAt(join(directory, "b")).read("", signal), code("ERR_SECRET_TOO_LARGE"))
})

test("refuses a directory, and a FIFO without waiting for its writer", async (t) => {
  const directory = await tempDir(t)
  await assert.rejects(fileAt(directory).read("", signal), code("ERR_SOURCE", /not a regular file|EISDIR/))
  if (process.platform === "win32") return
  await promisify(execFile)("mkfifo", [join(directory, "fifo")])
  await assert.rejects(fileAt(join(directory, "fifo")).read("", signal), code("ERR_SOURCE", /regular/))
})
