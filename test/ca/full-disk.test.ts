import assert from "node:assert/strict"
import { mkdir, open as openFile, readdir, rm, statfs } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { temporaryPattern } from "../../src/base/atomic-file.ts"
import { mounted } from "../files/support.ts"
import { requireService } from "../support/services.ts"
import { hasItsKey, issued, opener, signal } from "./state.ts"

/** A disk that is really full. */

async function small(t: TestContext) {
  const mount = await mounted(t, "-t", "tmpfs", "-o", "size=1m", "none")
  const stateDir = join(mount, "state")
  await mkdir(stateDir, { mode: 0o700 })
  const ca = opener(stateDir)()
  t.after(() => ca[Symbol.asyncDispose]())
  const filler = join(mount, "filler")
  return {
    ca,
    directory: join(stateDir, "ca"),
    /** Leaves so many pages. */
    fill: async (pages: number): Promise<void> => {
      await rm(filler, { force: true })
      const { bavail, bsize } = await statfs(mount)
      await using handle = await openFile(filler, "w")
      await handle.write(Buffer.alloc((bavail - pages) * bsize, 1))
    },
    empty: () => rm(filler),
  }
}

async function leftovers(directory: string): Promise<string[]> {
  const all = await readdir(directory, { recursive: true })
  return all.filter((path) => temporaryPattern.test(path.replace(/^.*\//, "")))
}

test("on a full disk a certificate is issued whole or not at all, and with room again all goes on", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const { ca, directory, fill, empty } = await small(t)
  await ca.init(signal)
  await issued(ca, "before")
  let failed = 0
  let made = 1
  for (let pages = 0; pages < 8; pages++) {
    await fill(pages)
    try {
      await issued(ca, "www")
      made++
    } catch (error) {
      if (!isPurserError(error)) throw error
      assert.match(error.message, /full|space/)
      failed++
    }
    await empty()
    assert.equal((await ca.list({ all: true })).length, made, `${pages} pages`)
    assert.deepEqual(await leftovers(directory), [])
    assert.equal((await readdir(join(directory, "keys"))).length, made)
  }
  assert.ok(failed > 0 && made > 1, `${failed} failed, ${made} made`)
  assert.ok(await hasItsKey(ca, await issued(ca, "www")))
})

test("on a full disk there is no part of a CA, and with room again init works", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const { ca, directory, fill, empty } = await small(t)
  for (const pages of [1, 4]) {
    await fill(pages)
    await assert.rejects(ca.init(signal), (error) => isPurserError(error) && /full|space/.test(error.message))
    await empty()
    assert.equal(await ca.exists(), false)
    assert.deepEqual(await leftovers(directory), [])
  }
  await ca.init(signal)
  assert.ok(await hasItsKey(ca, await issued(ca, "www")))
})
