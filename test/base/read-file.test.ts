import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { suite, test } from "node:test"
import { isOpenToOthers, readRegularFile } from "../../src/base/read-file.ts"
import { tempDir } from "../support/temp.ts"

suite("readRegularFile", { skip: process.platform === "win32" }, () => {
  test("reads all bytes of a file, through a link, with its mode", async (t) => {
    const directory = await tempDir(t)
    const [file, link] = [join(directory, "file"), join(directory, "link")]
    await writeFile(file, Buffer.from([0, 255, 10]))
    await chmod(file, 0o640)
    await symlink(file, link)
    const result = await readRegularFile(link, 3)
    assert.ok(result.kind === "read")
    assert.deepEqual([...result.bytes], [0, 255, 10])
    assert.equal(result.mode & 0o777, 0o640)
    assert.ok(isOpenToOthers(result.mode))
    assert.ok(!isOpenToOthers(0o600))
  })

  test("refuses a file that is one byte too large", async (t) => {
    const file = join(await tempDir(t), "file")
    await writeFile(file, "1234")
    assert.deepEqual(await readRegularFile(file, 3), { kind: "too-large" })
  })

  test("a missing file, or one below a file, is absent", async (t) => {
    const directory = await tempDir(t)
    await writeFile(join(directory, "file"), "")
    for (const name of ["none", "file/below"])
      assert.equal((await readRegularFile(join(directory, name), 1)).kind, "absent")
  })

  test("a FIFO without a writer, a directory and a device are refused without waiting", async (t) => {
    const directory = await tempDir(t)
    execFileSync("mkfifo", [join(directory, "fifo")])
    await mkdir(join(directory, "below"))
    const kinds = await Promise.all(
      [join(directory, "fifo"), join(directory, "below"), "/dev/zero"].map((path) =>
        readRegularFile(path, 1000),
      ),
    )
    assert.deepEqual(kinds, [
      { kind: "not-regular", isDirectory: false },
      { kind: "not-regular", isDirectory: true },
      { kind: "not-regular", isDirectory: false },
    ])
  })

  test("a file whose size is wrong (as in /proc) is not read as whole", async () => {
    assert.equal((await readRegularFile("/proc/self/status", 100_000)).kind, "changing")
  })
})
