import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { digestOf } from "../../src/base/digest.ts"
import { digestOnDisk } from "../../src/files/on-disk.ts"
import { parseFileLine } from "../../src/files/file-line.ts"
import { isMemory } from "../../src/files/memory.ts"
import { installFiles } from "../../src/files/install.ts"
import { removeStaleTemporaries } from "../../src/files/stale-temporaries.ts"
import { runPendingReload } from "../../src/rollout/pending-reload.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { rollOutInto } from "../rollout/support.ts"
import {
  everything,
  hup,
  installOptions,
  mounted,
  notingLog,
  purserError,
  run,
  toInstall,
} from "./support.ts"

/** Files on full and read-only file systems, and single files that are mounts. All need root to mount. */

test("a full disk is an error that leaves the old content whole and no new file", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "-o", "size=64k", "none")
  await installFiles([toInstall("key", "old")], installOptions(directory))
  const options = installOptions(directory, { reload: hup })
  const large = "x".repeat(100_000)
  await assert.rejects(
    rollOutInto([toInstall("key", "new"), toInstall("large", large)], options),
    purserError("ERR_TARGET", /cannot write .*large: no space is left there/),
  )
  assert.equal(await readFile(join(directory, "key"), "utf8"), "old")
  assert.deepEqual(await everything(directory), ["key"])
  assert.deepEqual(options.reloads, [])
  await rollOutInto([toInstall("key", "new")], options)
  assert.deepEqual(options.reloads, ["HUP"])
})

test("a disk without space for the record of a pending reload is an error too", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "-o", "size=8k", "none")
  const options = installOptions(directory, { reload: hup })
  await assert.rejects(
    rollOutInto([toInstall("key", "x".repeat(8192))], options),
    purserError("ERR_TARGET", /no space is left there/),
  )
  assert.deepEqual(await everything(directory), [])
})

test("a read-only file system is an error", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "none")
  await writeFile(join(directory, "key"), "old", { mode: 0o400 })
  await run("mount", ["-o", "remount,ro", directory])
  const readOnly = purserError("ERR_TARGET", /cannot write .*: the file system is read-only/)
  await assert.rejects(installFiles([toInstall("key", "new")], installOptions(directory)), readOnly)
  await assert.rejects(installFiles([toInstall("sub/key", "new")], installOptions(directory)), readOnly)
  await assert.rejects(installFiles([toInstall("key mode=0440", "old")], installOptions(directory)), readOnly)
  const { unchanged } = await installFiles([toInstall("key", "old")], installOptions(directory))
  assert.deepEqual(unchanged, ["key"])
})

test("a single file that is a mount is overwritten in place, with a warning", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "none")
  const [source, target] = [join(directory, "source"), join(directory, "key")]
  await writeFile(source, "old content, which is longer")
  await writeFile(target, "")
  await run("mount", ["--bind", source, target])
  const before = await stat(source)
  const { log, text } = notingLog()
  const options = { ...installOptions(directory, { reload: hup }), log }
  await rollOutInto([toInstall("key", "new")], options)
  const after = await stat(source)
  assert.equal(await readFile(source, "utf8"), "new")
  assert.equal(after.ino, before.ino)
  assert.equal(after.mode & 0o7777, 0o400)
  assert.match(text(), /key is a mount point and was overwritten in place, which is not atomic/)
  assert.deepEqual(await everything(directory), ["key", "source"])
  assert.deepEqual(options.reloads, ["HUP"])
})

test("a single file that has another name too is not overwritten", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "none")
  const [source, target] = [join(directory, "source"), join(directory, "key")]
  await writeFile(source, "old")
  await writeFile(target, "")
  await run("ln", [source, join(directory, "other-name")])
  await run("mount", ["--bind", source, target])
  await assert.rejects(
    installFiles([toInstall("key", "new")], installOptions(directory)),
    purserError("ERR_TARGET", /a mount point with other hard links/),
  )
  assert.equal(await readFile(source, "utf8"), "old")
  assert.deepEqual(await everything(directory), ["key", "other-name", "source"])
})

test("a single file mounted from a disk over one in memory counts as a disk", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const disk = await tempDir(t)
  if (await isMemory(disk)) return t.skip("needs a temporary directory on a disk")
  const directory = await mounted(t, "-t", "tmpfs", "none")
  const [source, target] = [join(disk, "source"), join(directory, "key")]
  await writeFile(source, "old")
  await writeFile(target, "")
  await run("mount", ["--bind", source, target])
  await assert.rejects(
    installFiles(
      [toInstall("other", "1"), toInstall("key", "new")],
      installOptions(directory, { requireTmpfs: true }),
    ),
    purserError("ERR_DISK", /key would lie on a disk/),
  )
  assert.equal(await readFile(source, "utf8"), "old")
  assert.deepEqual(await everything(directory), ["key"])
})

test("a file system in memory gets no warning, and satisfies requireTmpfs", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "none")
  const { log, text } = notingLog()
  await installFiles([toInstall("key", "x")], { ...installOptions(directory, { requireTmpfs: true }), log })
  assert.equal(text(), "")
})

test("missing permission is an error with a hint", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await tempDir(t)
  const { seteuid } = process
  assert.ok(seteuid)
  t.after(() => seteuid(0))
  await chmod(directory, 0o755)
  seteuid(1234)
  await assert.rejects(
    installFiles([toInstall("key", "x")], installOptions(directory)),
    (error: unknown) =>
      purserError("ERR_TARGET", /permission is denied/)(error) &&
      /give the directory to the user/.test(error.hint ?? ""),
  )
  seteuid(0)
  assert.deepEqual(await everything(directory), [])
})

test(
  "an owner of the directory who swaps one below it for a link gets no file of ours anywhere else",
  { timeout: 60_000 },
  async (t) => {
    if (!(await requireService(t, "linux", "root"))) return
    const directory = await mounted(t, "-t", "tmpfs", "-o", "uid=1234,gid=1234,mode=0755", "none")
    const elsewhere = await tempDir(t)
    await mkdir(join(elsewhere, "sub"))
    // From here nothing may go into `elsewhere`, which the swapper itself may not look into.
    const swap = `
    const fs = require("fs"); process.chdir(${JSON.stringify(directory)}); process.setgid(1234); process.setuid(1234)
    const tries = (f) => { try { f() } catch {} }
    fs.mkdirSync("sub"); fs.mkdirSync("sub/sub"); process.stdout.write("ready")
    while (process.ppid === ${process.pid}) {
      tries(() => fs.renameSync("sub", "away")); tries(() => fs.symlinkSync(${JSON.stringify(elsewhere)}, "sub"))
      tries(() => fs.unlinkSync("sub")); tries(() => fs.renameSync("away", "sub"))
      // The directory that the writer made while there was no sub.
      tries(() => fs.rmSync("away", { recursive: true }))
      if (!fs.existsSync("sub")) tries(() => fs.mkdirSync("sub/sub", { recursive: true }))
    }`
    const swapper = spawn(process.execPath, ["-e", swap], { stdio: ["ignore", "pipe", "inherit"] })
    t.after(() => swapper.kill("SIGKILL"))
    await once(swapper.stdout, "data")
    let good = 0
    let refused = 0
    for (let round = 0; round < 300; round++) {
      try {
        await installFiles([toInstall("sub/sub/key", `content ${round}`)], installOptions(directory))
        good++
      } catch (error) {
        assert.ok(purserError("ERR_TARGET", /./)(error))
        refused++
      }
    }
    assert.equal(swapper.exitCode, null, "it swapped all the time")
    assert.deepEqual(await everything(elsewhere), ["sub"])
    assert.ok(good > 0 && refused > 0, `${good} were written, ${refused} refused`)
  },
)

test(
  "a process that swaps a file for a FIFO cannot make us wait for its other end",
  { timeout: 30_000 },
  async (t) => {
    if (!(await requireService(t, "linux"))) return
    const directory = await tempDir(t)
    await run("mkfifo", [join(directory, "fifo")])
    await installFiles([toInstall("file", "x"), toInstall("key", "x")], installOptions(directory))
    // At no time is there nothing, so that the moment between looking and opening is hit.
    const swap = `
    const { linkSync, renameSync } = require("fs"); process.chdir(${JSON.stringify(directory)}); process.stdout.write("ready")
    while (process.ppid === ${process.pid}) for (const next of ["fifo", "file"]) { linkSync(next, "next"); renameSync("next", "key") }`
    const swapper = spawn(process.execPath, ["-e", swap], { stdio: ["ignore", "pipe", "inherit"] })
    const seen = new Set<string | null>()
    try {
      await once(swapper.stdout, "data")
      for (let round = 0; round < 1000; round++) {
        seen.add(await digestOnDisk(parseFileLine("key"), directory))
        // The swapper's end would be told in a turn of its own.
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.equal(swapper.exitCode, null, "it swapped all the time")
    } finally {
      // Before the directory is removed, in which it would go on.
      const ended = once(swapper, "exit")
      if (swapper.kill("SIGKILL")) await ended
    }
    assert.deepEqual(seen, new Set([digestOf(Buffer.from("x")), null]))
  },
)

test("removing temporary files does not follow a link to another directory", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const [directory, elsewhere] = [await tempDir(t), await tempDir(t)]
  const names = [".purser-0123456789abcdef.tmp", ".purser-owed.json"]
  for (const name of names) await writeFile(join(elsewhere, name), "[]")
  await symlink(elsewhere, join(directory, "sub"))
  await removeStaleTemporaries({ directory })
  await runPendingReload(installOptions(directory, { reload: hup }))
  assert.deepEqual(await everything(elsewhere), names)
})

test("a single file that is mounted keeps its content when there is no space for the new", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "none")
  const small = await mounted(t, "-t", "tmpfs", "-o", "size=16k", "none")
  const [source, target] = [join(small, "source"), join(directory, "key")]
  await writeFile(source, "old content")
  await writeFile(join(small, "filler"), "x".repeat(2 * 4096))
  await writeFile(target, "")
  await run("mount", ["--bind", source, target])
  t.after(() => run("umount", [target]).catch(() => {}))
  await assert.rejects(
    installFiles([toInstall("key", "n".repeat(20_000))], installOptions(directory)),
    purserError("ERR_TARGET", /no space is left there/),
  )
  assert.equal(await readFile(source, "utf8"), "old content")
  assert.deepEqual(await everything(directory), ["key"])
})
