import assert from "node:assert/strict"
import { mkdir, readFile, readdir, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { replaceFile, temporaryIn, temporaryPattern } from "../../src/base/atomic-file.ts"
import { systemErrorCode } from "../../src/base/errors.ts"
import { tempDir } from "../support/temp.ts"

test("a replaced file is a new one with the given mode, and no temporary file remains", async (t) => {
  const directory = await tempDir(t)
  const file = join(directory, "state")
  await writeFile(file, "old", { mode: 0o644 })
  const before = await stat(file)
  await replaceFile(file, Buffer.from("new"))
  const after = await stat(file)
  assert.equal(await readFile(file, "utf8"), "new")
  assert.notEqual(after.ino, before.ino)
  if (process.platform !== "win32") assert.equal(after.mode & 0o777, 0o600)
  await replaceFile(file, Buffer.from("shared"), { mode: 0o640 })
  if (process.platform !== "win32") assert.equal((await stat(file)).mode & 0o777, 0o640)
  assert.deepEqual(await readdir(directory), ["state"])
})

test("a reader during a replacement sees the whole old or the whole new content", async (t) => {
  const file = join(await tempDir(t), "state")
  const contents = ["a", "b"].map((letter) => letter.repeat(200_000))
  await writeFile(file, contents[0] ?? "")
  let ended = false
  const writing = (async () => {
    for (let round = 0; round < 60; round++) await replaceFile(file, Buffer.from(contents[round % 2] ?? ""))
    ended = true
  })()
  const seen = new Set<string>()
  while (!ended) seen.add(await readFile(file, "utf8"))
  await writing
  assert.deepEqual([...seen].sort(), contents)
})

test("a link at the path is replaced, and its target is unchanged", async (t) => {
  const directory = await tempDir(t)
  const elsewhere = join(directory, "elsewhere")
  await writeFile(elsewhere, "theirs")
  await symlink(elsewhere, join(directory, "state"))
  await replaceFile(join(directory, "state"), Buffer.from("ours"))
  assert.equal(await readFile(elsewhere, "utf8"), "theirs")
  assert.equal(await readFile(join(directory, "state"), "utf8"), "ours")
})

test("a replacement that fails leaves no temporary file", async (t) => {
  const directory = await tempDir(t)
  await mkdir(join(directory, "state"))
  await assert.rejects(replaceFile(join(directory, "state"), Buffer.from("x")), (error: unknown) =>
    ["EISDIR", "EPERM", "EEXIST"].includes(systemErrorCode(error) ?? ""),
  )
  assert.deepEqual(await readdir(directory), ["state"])
})

test("a missing directory is an ENOENT error", async (t) => {
  const file = join(await tempDir(t), "absent", "state")
  await assert.rejects(replaceFile(file, Buffer.from("x")), { code: "ENOENT" })
})

test("names of temporary files differ and match their pattern, which matches no secret's name", async (t) => {
  const directory = await tempDir(t)
  const names = Array.from({ length: 50 }, () => temporaryIn(directory).slice(directory.length + 1))
  assert.equal(new Set(names).size, 50)
  for (const name of names) assert.match(name, temporaryPattern)
  for (const name of [
    "purser-0123456789abcdef.tmp",
    ".purser-0123.tmp",
    "x.purser-0123456789abcdef.tmp",
    ".purser-owed.json",
  ])
    assert.doesNotMatch(name, temporaryPattern)
})
