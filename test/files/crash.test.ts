import assert from "node:assert/strict"
import { once } from "node:events"
import { spawn } from "node:child_process"
import { existsSync, watch } from "node:fs"
import { readFile, stat, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test, type TestContext } from "node:test"
import { temporaryPattern } from "../../src/base/atomic-file.ts"
import { parseFileLines } from "../../src/files/file-line.ts"
import { deliverFiles } from "../../src/rollout/deliver-files.ts"
import { removeStaleTemporaries } from "../../src/files/stale-temporaries.ts"
import { runPendingReload } from "../../src/rollout/pending-reload.ts"
import { runLocalReload, type Reload } from "../../src/rollout/reload.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { agentWith, everything, installOptions } from "./support.ts"

/** A process that writes files is killed with SIGKILL at each step, and another one takes over. */

const fixture = resolve(import.meta.dirname, "../fixtures/install.ts")
const files = parseFileLines("key\nsub/other")
const [old, fresh] = ["o".repeat(70_000), "n".repeat(80_000)]

/** A directory with the old content, and a process killed while it writes the new. Null when that is not possible here. */
async function killed(
  t: TestContext,
  step: string,
  command: (reloaded: string) => string,
): Promise<{ directory: string; reload: Reload; reloads: () => Promise<number> } | null> {
  if (!(await requireService(t, "linux"))) return null
  const [directory, beside] = [await tempDir(t), await tempDir(t)]
  const reloaded = join(beside, "reloaded")
  const reload: Reload = { kind: "exec", command: `echo reloaded >> ${reloaded}` }
  assert.equal(await install(directory, old, reload.command), null)
  await writeFile(reloaded, "")
  assert.equal(await install(directory, fresh, command(reloaded), step), "SIGKILL")
  return { directory, reload, reloads: async () => (await readFile(reloaded, "utf8")).split("\n").length - 1 }
}

/** Resolves with the signal that ended it. */
async function install(...args: string[]): Promise<string | null> {
  const child = spawn(process.execPath, [fixture, ...args], { stdio: ["ignore", "ignore", "inherit"] })
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null]
  assert.ok(code === 0 || signal !== null, `ended with exit code ${code}`)
  return signal
}

const contentOf = (directory: string): Promise<string[]> =>
  Promise.all(["key", "sub/other"].map((path) => readFile(join(directory, path), "utf8")))

const appending = (reloaded: string): string => `echo reloaded >> ${reloaded}`

/** The state that the killed process has to leave for the test to prove something, and the state after the next start. */
const steps: [
  step: string,
  command: (reloaded: string) => string,
  left: { temporary: number; content: string; pending: boolean; reloads: number },
][] = [
  ["staged", appending, { temporary: 2, content: old, pending: false, reloads: 0 }],
  ["recorded", appending, { temporary: 2, content: old, pending: true, reloads: 0 }],
  ["renamed", appending, { temporary: 0, content: fresh, pending: true, reloads: 0 }],
  [
    "during the reload",
    () => "kill -KILL $PPID",
    { temporary: 0, content: fresh, pending: true, reloads: 0 },
  ],
  ["reloaded", appending, { temporary: 0, content: fresh, pending: true, reloads: 1 }],
  ["cleared", appending, { temporary: 0, content: fresh, pending: false, reloads: 1 }],
]

for (const [step, command, left] of steps) {
  const isNew = left.content === fresh
  const outcome = isNew ? "the new content in place and reloaded" : "the old content whole, and no reload"

  test(`killed at "${step}": the next start finds ${outcome}`, async (t) => {
    const place = await killed(t, step, command)
    if (place === null) return
    const { directory, reload, reloads } = place
    const found = await everything(directory)
    const temporary = found.filter((path) => temporaryPattern.test(path.replace(/^.*\//, ""))).length
    const pending = [directory, join(directory, "sub")].every((path) =>
      existsSync(join(path, ".purser-owed.json")),
    )
    assert.deepEqual(
      { temporary, content: (await contentOf(directory))[0], pending, reloads: await reloads() },
      left,
    )

    await removeStaleTemporaries({ directory })
    const options = installOptions(directory, { reload })
    const ran = await runPendingReload({
      ...options,
      runReload: (one, signal) => runLocalReload(one, signal, { PATH: process.env["PATH"] }),
    })
    assert.deepEqual(await contentOf(directory), [left.content, left.content])
    assert.equal(ran, isNew && left.pending)
    assert.equal(await reloads(), left.reloads + (ran ? 1 : 0))
    if (isNew) assert.ok((await reloads()) >= 1)
    assert.deepEqual(await everything(directory), ["key", "sub", "sub/other"])
  })

  test(`killed at "${step}": the next delivery brings the new content, with a reload since it came`, async (t) => {
    const place = await killed(t, step, command)
    if (place === null) return
    const { directory, reload, reloads } = place
    await removeStaleTemporaries({ directory })
    const result = await deliverFiles(files, agentWith({ key: fresh, "sub/other": fresh }), {
      ...installOptions(directory, { reload, inUse: false }),
      runReload: (one, signal) => runLocalReload(one, signal, { PATH: process.env["PATH"] }),
    })
    assert.equal(result.written, isNew ? 0 : 2)
    assert.deepEqual(result.lacking, [])
    assert.deepEqual(await contentOf(directory), [fresh, fresh])
    assert.equal((await stat(join(directory, "key"))).mode & 0o7777, 0o400)
    assert.equal(await reloads(), left.reloads + (left.pending || !isNew ? 1 : 0))
    assert.deepEqual(await everything(directory), ["key", "sub", "sub/other"])
  })
}

test(
  "killed at any moment, each file is the old one whole or the new one whole, and what is new is reloaded",
  { timeout: 60_000 },
  async (t) => {
    if (!(await requireService(t, "linux"))) return
    const [directory, beside] = [await tempDir(t), await tempDir(t)]
    const reloaded = join(beside, "reloaded")
    const command = `cp ${directory}/key ${reloaded}`
    const contents = [old, fresh]
    let before = ""
    let kills = 0
    for (let round = 0; round < (process.env["SLOW"] === undefined ? 8 : 100); round++) {
      const content = `${round}${contents[round % 2]}`
      const child = spawn(process.execPath, [fixture, directory, content, command], {
        stdio: ["ignore", "ignore", "inherit"],
      })
      const ended = once(child, "exit")
      // Each round a little later.
      const changed = await changes(1 + ((2 * round) % 12), directory, ended)
      if (changed && child.kill("SIGKILL")) kills++
      await ended
      await removeStaleTemporaries({ directory })
      await runPendingReload({
        ...installOptions(directory, { reload: { kind: "exec", command } }),
        runReload: (one, signal) => runLocalReload(one, signal, { PATH: process.env["PATH"] }),
      })
      const found = await Promise.all(
        ["key", "sub/other"].map((path) => readFile(join(directory, path), "utf8").catch(() => "")),
      )
      for (const text of found) assert.ok(text === before || text === content, `round ${round}: a torn file`)
      if (found[0] === content) assert.equal(await readFile(reloaded, "utf8"), content)
      assert.ok((await everything(directory)).every((path) => ["key", "sub", "sub/other"].includes(path)))
      // Makes the next round begin with a complete set.
      assert.equal(await install(directory, content, command), null)
      before = content
    }
    assert.ok(kills > 0, "no process was killed")
  },
)

/** Resolves with true after this number of events in the directory, with false when the process ends first. */
async function changes(count: number, directory: string, ended: Promise<unknown>): Promise<boolean> {
  const watcher = watch(directory)
  let seen = 0
  const enough = new Promise<true>((resolve) => watcher.on("change", () => ++seen === count && resolve(true)))
  try {
    return await Promise.race([enough, ended.then(() => false)])
  } finally {
    watcher.close()
  }
}
