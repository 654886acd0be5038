import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { chmod, mkdir, readFile, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { createSecretDirectory } from "../../src/mounts/directory.ts"
import { requireService } from "../support/services.ts"
import { rootInMemory } from "./support.ts"

const owner = { uid: 1234, gid: 5678 }

test("files are the container user's alone, in directories that nobody writes to", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const root = await rootInMemory(t)
  const secrets = [
    { path: "/run/secrets/a", content: new Secret("one") },
    { path: "/run/secrets/www/tls.key", content: new Secret("two") },
    { path: "/etc/tls.key", content: new Secret("three") },
  ]
  await using directory = await createSecretDirectory(secrets, [root])
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
    await using directory = await createSecretDirectory(
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
  await assert.rejects(createSecretDirectory(secrets, [onDisk]), { code: "ERR_DISK" })
  assert.ok(!existsSync(onDisk))
  const root = await rootInMemory(t)
  await mkdir(root)
  await chmod(root, 0o755)
  await assert.rejects(createSecretDirectory(secrets, [root]), {
    code: "ERR_TARGET",
    message: /not private to root/,
  })
  assert.deepEqual(await readdir(root), [])
})
