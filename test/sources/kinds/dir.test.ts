import assert from "node:assert/strict"
import { mkdir, rename, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import type { PurserError } from "../../../src/base/errors.ts"
import { createLog } from "../../../src/base/log.ts"
import type { SourceHost } from "../../../src/sources/kind.ts"
import { dirKind } from "../../../src/sources/kinds/dir.ts"
import type { Source } from "../../../src/sources/source.ts"
import { tempDir } from "../../support/temp.ts"
import { code, signal, sourceOf } from "../host.ts"

const dirAt = (path: string, host?: Partial<SourceHost>): Source =>
  sourceOf(dirKind, { kind: "dir", path }, host)

async function made(t: TestContext) {
  const root = await tempDir(t)
  const directory = join(root, "secrets")
  await mkdir(join(directory, "sub/deep"), { recursive: true })
  await writeFile(join(directory, "a"), "1")
  await writeFile(join(directory, "sub/deep/b.key"), "2")
  const lines: string[] = []
  const log = createLog({ write: (text: string) => lines.push(text) })
  return { root, directory, lines, log, source: dirAt(directory, { log }) }
}

test("lists files by relative name, and reads them", async (t) => {
  const { source, lines } = await made(t)
  assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
  assert.equal((await source.read("sub/deep/b.key", signal))?.revealText(), "2")
  assert.equal(await source.read("none", signal), null)
  assert.equal(await source.read("sub/deep", signal).catch((error: PurserError) => error.code), "ERR_SOURCE")
  assert.deepEqual(lines, [])
})

test("leaves out files with invalid names, with one warning each", async (t) => {
  const { source, directory, lines } = await made(t)
  await writeFile(join(directory, ".hidden"), "x")
  await mkdir(join(directory, ".git"))
  await writeFile(join(directory, ".git/config"), "x")
  await writeFile(join(directory, "a name\u001b[2J"), "x")
  assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
  assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
  assert.equal(lines.length, 3)
  assert.ok(
    lines.every((line) => line.includes("is left out") && !line.includes("\u001b")),
    lines.join(""),
  )
})

test("does not warn about a file that another entry names", async (t) => {
  const { directory, lines, log } = await made(t)
  await writeFile(join(directory, ".env"), "x")
  await writeFile(join(directory, ".other"), "x")
  const source = dirAt(directory, { log, namedFiles: new Set([join(directory, ".env")]) })
  assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? "", /"\.other"/)
})

test("follows links inside the directory, but no link out of it", async (t) => {
  const { source, directory, root, lines } = await made(t)
  await writeFile(join(root, "outside"), "3")
  await symlink("../outside", join(directory, "out"))
  await symlink("..", join(directory, "up"))
  await symlink("sub/deep/b.key", join(directory, "in"))
  assert.deepEqual(await source.list?.(signal), ["a", "in", "sub/deep/b.key"])
  assert.equal((await source.read("in", signal))?.revealText(), "2")
  assert.equal(await source.read("out", signal), null)
  assert.equal(await source.read("up/outside", signal), null)
  assert.ok(
    lines.some((line) => /"out".*leads out/.test(line)),
    lines.join(""),
  )
})

test("a circle of links ends", async (t) => {
  const { source, directory } = await made(t)
  await symlink(".", join(directory, "sub/again"))
  await symlink("loop", join(directory, "loop"))
  assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
})

test("a missing directory is an error, not an empty list", async (t) => {
  const source = dirAt(join(await tempDir(t), "none"))
  await assert.rejects(source.list?.(signal) ?? Promise.resolve(), code("ERR_SOURCE", /ENOENT/))
})

test("reports files that appear, change in place, are replaced by a rename, and are removed", async (t) => {
  const { source, directory } = await made(t)
  const seen = new Set<string | undefined>()
  let wake = Promise.withResolvers<void>()
  const watcher = await source.watch?.((name) => {
    seen.add(name)
    wake.resolve()
  })
  const until = async (name: string): Promise<void> => {
    while (!seen.has(name)) {
      await wake.promise
      wake = Promise.withResolvers()
    }
    seen.delete(name)
  }
  await writeFile(join(directory, "new"), "1")
  await until("new")
  await writeFile(join(directory, "a"), "changed")
  await until("a")
  await writeFile(join(directory, "temporary"), "renamed")
  await rename(join(directory, "temporary"), join(directory, "sub/deep/b.key"))
  await until("sub/deep/b.key")
  await rename(join(directory, "new"), join(directory, "newer"))
  await until("newer")
  await watcher?.[Symbol.asyncDispose]()
})
