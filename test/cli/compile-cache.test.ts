import assert from "node:assert/strict"
import { chmod, chown, mkdir, readdir, symlink } from "node:fs/promises"
import { join } from "node:path"
import { suite, test, type TestContext } from "node:test"
import { tempDir } from "../support/temp.ts"
import { purser } from "./purser.ts"

const isRoot = process.getuid?.() === 0

interface Place {
  readonly home: string
  readonly temporary: string
}

async function place(t: TestContext): Promise<Place> {
  const directory = await tempDir(t)
  const [home, temporary] = [join(directory, "home"), join(directory, "tmp")]
  await mkdir(home)
  await mkdir(temporary)
  return { home, temporary }
}

/** Runs a command that loads modules, with nothing of the caller's own cache settings. */
async function runIn({ home, temporary }: Place, env: NodeJS.ProcessEnv = {}) {
  const none = { XDG_CACHE_HOME: "", NODE_COMPILE_CACHE: undefined, NODE_DISABLE_COMPILE_CACHE: undefined }
  const result = await purser(["config", "schema"], {
    env: { ...none, HOME: home, TMPDIR: temporary, ...env },
  })
  assert.equal(result.code, 0, result.stderr)
  assert.equal(result.stderr, "")
}

const cacheIn = (home: string) => join(home, ".cache", "purser", "compiled")

suite("the compile cache", { skip: process.platform !== "linux" }, () => {
  test("is below the home directory, and the shared temporary directory is not used", async (t) => {
    const at = await place(t)
    await runIn(at)
    assert.deepEqual(await readdir(at.temporary), [])
    assert.notDeepEqual(await readdir(cacheIn(at.home)), [])
  })

  test("follows XDG_CACHE_HOME", async (t) => {
    const at = await place(t)
    await runIn(at, { XDG_CACHE_HOME: join(at.home, "elsewhere") })
    assert.notDeepEqual(await readdir(join(at.home, "elsewhere/purser/compiled")), [])
  })

  test("a directory that others can write to is not used", async (t) => {
    const at = await place(t)
    await mkdir(cacheIn(at.home), { recursive: true })
    await chmod(cacheIn(at.home), 0o777)
    await runIn(at)
    assert.deepEqual(await readdir(cacheIn(at.home)), [])
  })

  test("a directory is not used if others can replace one above it", async (t) => {
    const at = await place(t)
    await mkdir(join(at.home, ".cache"))
    await chmod(join(at.home, ".cache"), 0o777)
    await runIn(at)
    assert.deepEqual(await readdir(cacheIn(at.home)), [])
    // In a sticky directory only the owner can rename an entry.
    await chmod(join(at.home, ".cache"), 0o1777)
    await runIn(at)
    assert.notDeepEqual(await readdir(cacheIn(at.home)), [])
  })

  test(
    "another user's directory is not used, not even by root",
    { skip: !isRoot && "needs root" },
    async (t) => {
      const at = await place(t)
      await mkdir(cacheIn(at.home), { recursive: true, mode: 0o700 })
      await chown(cacheIn(at.home), 12_345, 12_345)
      await runIn(at)
      assert.deepEqual(await readdir(cacheIn(at.home)), [])
    },
  )

  test("a link into another user's directory is not used", { skip: !isRoot && "needs root" }, async (t) => {
    const at = await place(t)
    const theirs = join(at.temporary, "theirs")
    await mkdir(join(theirs, "compiled"), { recursive: true, mode: 0o700 })
    await chown(theirs, 12_345, 12_345)
    await mkdir(join(at.home, ".cache"))
    await symlink(theirs, join(at.home, ".cache/purser"))
    await runIn(at)
    assert.deepEqual(await readdir(join(theirs, "compiled")), [])
  })

  test("without a usable home directory everything still works", async (t) => {
    const at = await place(t)
    await runIn(at, { HOME: "/proc/nonexistent" })
    await runIn(at, { HOME: "relative" })
    assert.deepEqual(await readdir(at.temporary), [])
  })
})
