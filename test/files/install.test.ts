import assert from "node:assert/strict"
import { constants } from "node:fs"
import { chmod, chown, lstat, mkdir, open, readFile, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { digestOnDisk } from "../../src/files/on-disk.ts"
import { parseFileLine } from "../../src/files/file-line.ts"
import { installFiles } from "../../src/files/install.ts"
import { isMemory } from "../../src/files/memory.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { everything, installOptions, notingLog, purserError, run, toInstall } from "./support.ts"

test("a new file has mode 0400 and the owner of its directory", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await tempDir(t)
  const { written } = await installFiles([toInstall("db/password", "hunter2")], installOptions(directory))
  assert.deepEqual(written, ["db/password"])
  const [file, base] = [await stat(join(directory, "db/password")), await stat(directory)]
  assert.equal(await readFile(join(directory, "db/password"), "utf8"), "hunter2")
  assert.equal(file.mode & 0o7777, 0o400)
  assert.deepEqual([file.uid, file.gid], [base.uid, base.gid])
  assert.deepEqual(await everything(directory), ["db", "db/password"])
})

test("files and directories that root writes below a user's directory belong to that user", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await tempDir(t)
  await chown(directory, 1234, 1235)
  await installFiles([toInstall("a", "1"), toInstall("b/c/d", "2")], installOptions(directory))
  for (const path of ["a", "b", "b/c", "b/c/d"]) {
    const { uid, gid } = await stat(join(directory, path))
    assert.deepEqual([uid, gid], [1234, 1235], path)
  }
})

test("mode= and owner= are what the file gets", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await tempDir(t)
  await installFiles([toInstall("key mode=0640 owner=1234:1234", "x")], installOptions(directory))
  const { mode, uid, gid } = await stat(join(directory, "key"))
  assert.deepEqual([mode & 0o7777, uid, gid], [0o640, 1234, 1234])
})

test("the umask does not change the mode", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await tempDir(t)
  const before = process.umask(0o777)
  t.after(() => process.umask(before))
  await chmod(directory, 0o700)
  await installFiles([toInstall("key mode=0644", "x")], installOptions(directory))
  assert.equal((await stat(join(directory, "key"))).mode & 0o777, 0o644)
})

test("an empty file and one of a megabyte are written whole", async (t) => {
  const directory = await tempDir(t)
  const large = Buffer.alloc(1_048_576, "0123456789abcdef")
  await installFiles([toInstall("empty", ""), toInstall("large", large)], installOptions(directory))
  assert.equal((await stat(join(directory, "empty"))).size, 0)
  assert.ok(large.equals(await readFile(join(directory, "large"))))
})

test("a process that holds a replaced file open still reads the old content", async (t) => {
  const directory = await tempDir(t)
  await installFiles([toInstall("key", "old")], installOptions(directory))
  const held = await open(join(directory, "key"))
  t.after(() => held.close())
  await installFiles([toInstall("key", "new")], installOptions(directory))
  assert.equal(await held.readFile("utf8"), "old")
  assert.equal(await readFile(join(directory, "key"), "utf8"), "new")
})

test("unchanged content is not written again", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory)
  await installFiles([toInstall("key", "same")], options)
  const before = await stat(join(directory, "key"), { bigint: true })
  const result = await installFiles([toInstall("key", "same")], options)
  assert.deepEqual(result, { written: [], replaced: [], unchanged: ["key"] })
  const after = await stat(join(directory, "key"), { bigint: true })
  assert.deepEqual([after.ino, after.mtimeNs], [before.ino, before.mtimeNs])
})

test("unchanged content gets the mode and owner of its line, and no rename", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await tempDir(t)
  const renamed: unknown[] = []
  const options = {
    ...installOptions(directory),
    beforeRename: async (staged: unknown) => void renamed.push(staged),
  }
  await writeFile(join(directory, "key"), "same", { mode: 0o666 })
  const before = await stat(join(directory, "key"), { bigint: true })
  await installFiles([toInstall("key mode=0440 owner=1234:0", "same")], options)
  const after = await stat(join(directory, "key"), { bigint: true })
  assert.deepEqual([after.ino, after.mtimeNs], [before.ino, before.mtimeNs])
  assert.deepEqual([Number(after.mode) & 0o7777, after.uid, after.gid], [0o440, 1234n, 0n])
  assert.deepEqual(renamed, [])
})

test("when one of a set cannot be staged, the others are left as they were, and nothing stays behind", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory)
  await installFiles([toInstall("tls.crt", "old")], options)
  await mkdir(join(directory, "tls.key"))
  await assert.rejects(
    installFiles([toInstall("tls.crt", "new"), toInstall("tls.key", "new")], options),
    purserError("ERR_TARGET", /cannot write .*tls\.key: a directory is there/),
  )
  assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), "old")
  assert.deepEqual(await everything(directory), ["tls.crt", "tls.key"])
})

test("an abort after the first staged file of a set changes nothing", async (t) => {
  const directory = await tempDir(t)
  const stop = new AbortController()
  const files = [toInstall("a", "1"), toInstall("b", "2")]
  stop.abort()
  const beforeRename = (): Promise<void> => assert.fail("nothing may be renamed")
  const options = { ...installOptions(directory, { signal: stop.signal }), beforeRename }
  await assert.rejects(installFiles(files, options), { name: "AbortError" })
  assert.deepEqual(await everything(directory), [])
})

const others: [
  what: string,
  make: (path: string) => Promise<unknown>,
  message: RegExp,
  services: "linux" | "root",
][] = [
  ["a directory", (path) => mkdir(path), /a directory is there/, "linux"],
  ["a FIFO", (path) => run("mkfifo", [path]), /a FIFO is there/, "linux"],
  ["a symbolic link", (path) => symlink("/etc/hostname", path), /a symbolic link is there/, "linux"],
  ["a dangling link", (path) => symlink("nowhere", path), /a symbolic link is there/, "linux"],
  ["a device", (path) => run("mknod", [path, "c", "1", "7"]), /a device is there/, "root"],
  [
    "a socket",
    (path) =>
      run(process.execPath, [
        "-e",
        `require("net").createServer().listen(${JSON.stringify(path)}, () => process.exit())`,
      ]),
    /a socket is there/,
    "linux",
  ],
]
for (const [what, make, message, service] of others) {
  test(`where ${what} is, nothing is written, and nothing waits`, { timeout: 20_000 }, async (t) => {
    if (!(await requireService(t, service))) return
    const directory = await tempDir(t)
    const path = join(directory, "key")
    await make(path)
    const before = await lstat(path)
    await assert.rejects(
      installFiles([toInstall("first", "1"), toInstall("key", "2")], installOptions(directory)),
      purserError("ERR_TARGET", message),
    )
    const after = await lstat(path)
    assert.deepEqual([after.ino, after.mode, after.size], [before.ino, before.mode, before.size])
    assert.deepEqual(await everything(directory), ["key"])
  })
}

test("a directory below the base that is a link elsewhere is refused, and nothing is written there", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const [directory, elsewhere] = [await tempDir(t), await tempDir(t)]
  await symlink(elsewhere, join(directory, "sub"))
  for (const line of ["sub/key", "key path=sub/deep/er", `key path=${directory}/sub/key`]) {
    await assert.rejects(
      installFiles([toInstall(line, "x")], installOptions(directory)),
      purserError("ERR_TARGET", /cannot write .*sub.*: part of the path is a symbolic link/),
    )
  }
  assert.deepEqual(await everything(elsewhere), [])
  assert.deepEqual(await everything(directory), ["sub"])
})

test("a link whose name begins with two dots is refused too", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const [directory, elsewhere] = [await tempDir(t), await tempDir(t)]
  await symlink(elsewhere, join(directory, "..sub"))
  await assert.rejects(
    installFiles([toInstall("key path=..sub/key", "x")], installOptions(directory)),
    purserError("ERR_TARGET", /symbolic link/),
  )
  assert.deepEqual(await everything(elsewhere), [])
  await installFiles([toInstall("key path=..other/key", "x")], installOptions(directory))
  assert.equal(await readFile(join(directory, "..other/key"), "utf8"), "x")
})

test("a file as a directory of the path is refused", async (t) => {
  const directory = await tempDir(t)
  await writeFile(join(directory, "sub"), "a file")
  await assert.rejects(
    installFiles([toInstall("sub/key", "x")], installOptions(directory)),
    purserError("ERR_TARGET", /part of the path/),
  )
  assert.equal(await readFile(join(directory, "sub"), "utf8"), "a file")
})

test("the base is made when it is not there", async (t) => {
  const directory = join(await tempDir(t), "a/b")
  await installFiles([toInstall("key", "x")], installOptions(directory))
  assert.equal(await readFile(join(directory, "key"), "utf8"), "x")
})

test("an absolute path= outside the base is written where it says", async (t) => {
  const [directory, other] = [await tempDir(t), await tempDir(t)]
  await installFiles([toInstall(`key path=${other}/k`, "x"), toInstall("b", "y")], installOptions(directory))
  assert.equal(await readFile(join(other, "k"), "utf8"), "x")
  assert.deepEqual(await everything(directory), ["b"])
})

test("two files for one path, one of them absolute, are refused before anything is written", async (t) => {
  const directory = await tempDir(t)
  await assert.rejects(
    installFiles([toInstall("a", "1"), toInstall(`b path=${directory}/a`, "2")], installOptions(directory)),
    purserError("ERR_FILE_LINE", /a and b both go to/),
  )
  assert.deepEqual(await everything(directory), [])
})

test("an unknown owner is refused, and nothing is written", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await tempDir(t)
  await assert.rejects(
    installFiles([toInstall("a", "1"), toInstall("b owner=no-such-user", "2")], installOptions(directory)),
    purserError("ERR_TARGET", /no user "no-such-user"/),
  )
  assert.deepEqual(await everything(directory), [])
})

test("a directory on a disk gets one warning, or with requireTmpfs an error before anything is written", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await onDisk(t)
  if (directory === null) return
  const { log, text } = notingLog()
  await installFiles([toInstall("a", "1"), toInstall("b", "2")], { ...installOptions(directory), log })
  assert.match(text(), /^warn: .*\/a lies on a disk/)
  assert.equal(text().match(/lies on a disk/g)?.length, 1)
  await assert.rejects(
    installFiles(
      [toInstall("a", "new"), toInstall("c", "3")],
      installOptions(directory, { requireTmpfs: true }),
    ),
    purserError("ERR_DISK", /\/a would lie on a disk/),
  )
  assert.deepEqual(await everything(directory), ["a", "b"])
  assert.equal(await readFile(join(directory, "a"), "utf8"), "1")
})

/** Null when temporary files are in memory; the test is skipped then. */
async function onDisk(t: TestContext): Promise<string | null> {
  const directory = await tempDir(t)
  if (!(await isMemory(directory))) return directory
  t.skip("needs a temporary directory on a disk")
  return null
}

test("a FIFO counts as absent, without waiting", { timeout: 10_000 }, async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await tempDir(t)
  await run("mkfifo", [join(directory, "fifo")])
  await symlink("/etc/hostname", join(directory, "link"))
  await mkdir(join(directory, "directory"))
  const sparse = await open(join(directory, "sparse"), constants.O_CREAT | constants.O_WRONLY, 0o400)
  await sparse.truncate(2 ** 40)
  await sparse.close()
  for (const name of ["fifo", "link", "directory", "sparse", "absent", "directory/absent", "fifo/below"])
    assert.equal(await digestOnDisk(parseFileLine(name), directory), null, name)
})
