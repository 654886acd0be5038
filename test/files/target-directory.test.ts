import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { digestOnDisk } from "../../src/files/on-disk.ts"
import { parseFileLine } from "../../src/files/file-line.ts"
import { installFiles } from "../../src/files/install.ts"
import { removeStaleTemporaries } from "../../src/files/stale-temporaries.ts"
import { runPendingReload } from "../../src/rollout/pending-reload.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { everything, hup, installOptions, mounted, purserError, toInstall } from "./support.ts"

const stale = ".purser-0123456789abcdef.tmp"

test("a link above the base is the operator's own, and followed", async (t) => {
  const directory = await tempDir(t)
  await mkdir(join(directory, "real"))
  await symlink("real", join(directory, "link"))
  const options = installOptions(join(directory, "link/base"))
  await installFiles(
    [toInstall("sub/key", "x"), toInstall(`other path=${directory}/link/own/o`, "y")],
    options,
  )
  assert.equal(await readFile(join(directory, "real/base/sub/key"), "utf8"), "x")
  assert.equal(await readFile(join(directory, "real/own/o"), "utf8"), "y")
})

test("a base that is itself a link elsewhere is refused, and nothing is read, written or removed there", async (t) => {
  const [directory, elsewhere] = [await tempDir(t), await tempDir(t)]
  const base = join(directory, "base")
  await symlink(elsewhere, base)
  for (const name of ["key", stale]) await writeFile(join(elsewhere, name), "theirs")
  for (const line of ["key", "sub/key", `key path=${base}/key`]) {
    await assert.rejects(
      installFiles([toInstall(line, "x")], installOptions(base)),
      (error: unknown) =>
        purserError("ERR_TARGET", /cannot write .*base.*: part of the path is a symbolic link/)(error) &&
        error.hint === "remove it, or name the directory that it leads to",
    )
    assert.equal(await digestOnDisk(parseFileLine(line), base), null)
  }
  await removeStaleTemporaries({ directory: base })
  assert.equal(await runPendingReload(installOptions(base, { reload: hup })), false)
  assert.deepEqual(await everything(elsewhere), [stale, "key"])
  assert.equal(await readFile(join(elsewhere, "key"), "utf8"), "theirs")
})

test("the directory of an absolute path= that is a link is refused too", async (t) => {
  const [directory, elsewhere] = [await tempDir(t), await tempDir(t)]
  await symlink(elsewhere, join(directory, "link"))
  await assert.rejects(
    installFiles([toInstall(`key path=${directory}/link/key`, "x")], installOptions(await tempDir(t))),
    purserError("ERR_TARGET", /symbolic link/),
  )
  assert.deepEqual(await everything(elsewhere), [])
})

test("a dangling link as the base is refused, and its target is not created", async (t) => {
  const directory = await tempDir(t)
  await symlink(join(directory, "nowhere"), join(directory, "base"))
  await assert.rejects(
    installFiles([toInstall("key", "x")], installOptions(join(directory, "base"))),
    purserError("ERR_TARGET", /./),
  )
  assert.deepEqual(await everything(directory), ["base"])
})

test(
  "an owner who swaps directories for links while we tidy up does not make us remove files elsewhere",
  { timeout: 60_000 },
  async (t) => {
    if (!(await requireService(t, "linux", "root"))) return
    const directory = await mounted(t, "-t", "tmpfs", "-o", "uid=1234,gid=1234,mode=0755", "none")
    const elsewhere = await tempDir(t)
    await mkdir(join(elsewhere, "sub"))
    await writeFile(join(elsewhere, "sub", stale), "theirs")
    const swap = `
      const fs = require("fs"); process.chdir(${JSON.stringify(directory)}); process.setgid(1234); process.setuid(1234)
      fs.mkdirSync("sub/sub", { recursive: true }); fs.symlinkSync(${JSON.stringify(elsewhere)}, "link"); process.stdout.write("ready")
      for (;;) {
        fs.renameSync("sub", "away"); fs.renameSync("link", "sub")
        fs.renameSync("sub", "link"); fs.renameSync("away", "sub")
      }`
    const swapper = spawn(process.execPath, ["-e", swap], { stdio: ["ignore", "pipe", "inherit"] })
    t.after(() => swapper.kill("SIGKILL"))
    await once(swapper.stdout, "data")
    const files = [parseFileLine("sub/sub/key")]
    for (let round = 0; round < 300; round++)
      await removeStaleTemporaries({ directory, ...(round % 2 === 0 ? {} : { files }) })
    assert.equal(swapper.exitCode, null, "it swapped all the time")
    assert.deepEqual(await everything(elsewhere), ["sub", `sub/${stale}`])
  },
)
