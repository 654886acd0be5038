import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { collectLeftovers, createRunDirectory } from "../../src/mounts/directory.ts"
import { startScript } from "../support/script.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

const owner = { uid: 1234, gid: 5678 }

async function rootInMemory(t: TestContext): Promise<string> {
  const directory = await mkdtemp("/dev/shm/purser-test-")
  t.after(() => rm(directory, { recursive: true, force: true }))
  return join(directory, "purser")
}

test("files are the container user's alone, in directories that nobody writes to", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const root = await rootInMemory(t)
  const secrets = [
    { path: "/run/secrets/a", content: new Secret("one") },
    { path: "/run/secrets/www/tls.key", content: new Secret("two") },
    { path: "/etc/tls.key", content: new Secret("three") },
  ]
  await using directory = await createRunDirectory(secrets, [root])
  assert.deepEqual(
    directory.mounts.map(({ target }) => target),
    ["/run/secrets", "/etc/tls.key"],
  )
  const [whole, single] = directory.mounts.map(({ source }) => source)
  assert.ok(whole !== undefined && single !== undefined)
  assert.equal(await readFile(join(whole, "a"), "utf8"), "", "empty until the mounts were tried")
  await directory.fill(owner)
  const contents = new Map([
    [join(whole, "a"), "one"],
    [join(whole, "www/tls.key"), "two"],
    [single, "three"],
  ])
  for (const [file, content] of contents) {
    const { mode, uid, gid } = await stat(file)
    assert.deepEqual({ mode: mode & 0o7777, uid, gid }, { mode: 0o400, ...owner })
    assert.equal(await readFile(file, "utf8"), content)
  }
  for (const inner of [whole, join(whole, "www")]) {
    const { mode, uid, gid } = await stat(inner)
    assert.deepEqual({ mode: mode & 0o7777, uid, gid }, { mode: 0o500, ...owner })
  }
  for (const above of [root, join(root, directory.id)]) {
    const { mode, uid } = await stat(above)
    assert.deepEqual({ mode: mode & 0o7777, uid }, { mode: 0o700, uid: 0 })
  }
})

test("it is gone in the end", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const root = await rootInMemory(t)
  {
    await using directory = await createRunDirectory(
      [{ path: "/run/secrets/a", content: new Secret("x") }],
      [root],
    )
    await directory.fill(owner)
  }
  assert.deepEqual(await readdir(root), [])
})

test("what lies on a disk, or belongs to others, is refused and left as it was", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const secrets = [{ path: "/run/secrets/a", content: new Secret("x") }]
  const onDisk = join("/var/tmp", `purser-test-${process.pid}`)
  await assert.rejects(createRunDirectory(secrets, [onDisk]), { code: "ERR_DISK" })
  assert.ok(!existsSync(onDisk))
  const root = await rootInMemory(t)
  await mkdir(root)
  await chmod(root, 0o755)
  await assert.rejects(createRunDirectory(secrets, [root]), { code: "ERR_TARGET", message: /ours alone/ })
  assert.deepEqual(await readdir(root), [])
})

test("what a killed command left is collected, unless its container runs or it lives", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const root = await rootInMemory(t)
  const child = startScript(
    t,
    `const { createRunDirectory } = await import(src("mounts/directory.ts"))
     const { Secret } = await import(src("base/secret.ts"))
     const directory = await createRunDirectory([{ path: "/run/secrets/a", content: new Secret("x") }], [process.argv.at(-1)])
     await directory.fill({ uid: 1, gid: 1 })
     console.log(directory.id)
     setInterval(() => {}, 1 << 30)`,
    [root],
  )
  const id = await child.line()
  const collect = (running: boolean) =>
    collectLeftovers(async () => running, { candidates: [root], log: silentLog })
  assert.equal(await collect(false), 0, "its command lives")
  child.process.kill("SIGKILL")
  await child.ended()
  assert.equal(await collect(true), 0, "its container runs")
  assert.ok(existsSync(join(root, id)))
  assert.equal(await collect(false), 1)
  assert.deepEqual(await readdir(root), [])
})

test("what is no directory of ours is not touched", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const root = await tempDir(t)
  await mkdir(join(root, "something-else"))
  assert.equal(await collectLeftovers(async () => false, { candidates: [root], log: silentLog }), 0)
  assert.deepEqual(await readdir(root), ["something-else"])
  assert.equal(
    await collectLeftovers(async () => false, { candidates: [join(root, "not-there")], log: silentLog }),
    0,
  )
})
