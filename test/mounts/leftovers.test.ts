import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { mkdir, readdir } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { removeLeftovers } from "../../src/mounts/leftovers.ts"
import { startScript } from "../support/script.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { rootInMemory } from "./support.ts"

test("what a killed command left is collected, unless its container runs or it lives", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const root = await rootInMemory(t)
  const child = startScript(
    t,
    `const { createSecretDirectory } = await import(src("mounts/directory.ts"))
     const { Secret } = await import(src("base/secret.ts"))
     const directory = await createSecretDirectory([{ path: "/run/secrets/a", content: new Secret("x") }], [process.argv.at(-1)])
     await directory.fill({ uid: 1, gid: 1 })
     console.log(directory.id)
     setInterval(() => {}, 1 << 30)`,
    [root],
  )
  const id = await child.line()
  const collect = (running: boolean) =>
    removeLeftovers(async () => running, { candidates: [root], log: silentLog })
  assert.equal(await collect(false), 0, "its command lives")
  child.process.kill("SIGKILL")
  await child.ended()
  assert.equal(await collect(true), 0, "its container runs")
  assert.ok(existsSync(join(root, id)))
  assert.equal(await collect(false), 1)
  assert.deepEqual(await readdir(root), [])
})

test("other directories are not touched", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const root = await tempDir(t)
  await mkdir(join(root, "something-else"))
  assert.equal(await removeLeftovers(async () => false, { candidates: [root], log: silentLog }), 0)
  assert.deepEqual(await readdir(root), ["something-else"])
  assert.equal(
    await removeLeftovers(async () => false, { candidates: [join(root, "not-there")], log: silentLog }),
    0,
  )
})
