import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { mkdir, readFile, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { connectEngine } from "../../src/docker/engine.ts"
import { isInUse } from "../../src/mounts/leftovers.ts"
import { mountSecrets, type MountOptions } from "../../src/mounts/mount-secrets.ts"
import { shellImage } from "../support/base-image.ts"
import { cleanUp, docker, labels } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { rootInMemory } from "./support.ts"

after(cleanUp)

const { signal } = new AbortController()
const secrets = [{ path: "/run/secrets/a", content: new Secret("one") }]

function options(root: string): MountOptions {
  const pull = (): Promise<void> => Promise.reject(new Error("nothing is pulled here"))
  return { pull, log: silentLog, signal, candidates: [root] }
}

test("a container that is started with the mounts and the label reads the secrets, and is known to need them", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  await using engine = await connectEngine({ env: process.env, home: "/nonexistent", signal })
  const root = await rootInMemory(t)
  const image = await shellImage()
  await using mounted = await mountSecrets(engine, { image, user: "app" }, secrets, options(root))
  assert.equal(await isInUse(engine, mounted.id, signal), false)
  const [mount] = mounted.mounts
  assert.ok(mount !== undefined)
  assert.equal((await stat(join(mount.source, "a"))).uid, 1000)
  const container = await docker([
    "run",
    "--detach",
    "--network=none",
    ...labels,
    `--label=${mounted.label}`,
    `--mount=type=bind,source=${mount.source},target=${mount.target},readonly`,
    "--user=app",
    image,
    "sh",
    "-c",
    "cat /run/secrets/a; exec sleep 1000",
  ])
  assert.equal(await isInUse(engine, mounted.id, signal), true)
  assert.equal(await docker(["exec", container, "cat", "/run/secrets/a"]), "one")
  await docker(["rm", "--force", container])
  assert.equal(await isInUse(engine, mounted.id, signal), false)
})

test("a user that the image does not have leaves nothing behind, and leftovers go first", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  await using engine = await connectEngine({ env: process.env, home: "/nonexistent", signal })
  const root = await rootInMemory(t)
  const left = join(root, "0".repeat(32))
  await mkdir(left, { recursive: true, mode: 0o700 })
  const image = await shellImage()
  await assert.rejects(mountSecrets(engine, { image, user: "stranger" }, secrets, options(root)), {
    code: "ERR_ROUTE",
    message: 'the image has no user "stranger"',
    hint: /give the number/,
  })
  assert.ok(!existsSync(left))
  assert.deepEqual(await readdir(root), [])
})

test("kept secrets stay for the container that runs on", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  await using engine = await connectEngine({ env: process.env, home: "/nonexistent", signal })
  const root = await rootInMemory(t)
  const run = { image: await shellImage(), user: undefined }
  let file: string
  {
    await using mounted = await mountSecrets(engine, run, secrets, options(root))
    file = join(mounted.mounts[0]?.source ?? "", "a")
    mounted.keep()
  }
  assert.equal(await readFile(file, "utf8"), "one")
  // No container has its label.
  await using next = await mountSecrets(engine, run, secrets, options(root))
  assert.ok(!existsSync(file))
  assert.ok(existsSync(next.mounts[0]?.source ?? ""))
})
