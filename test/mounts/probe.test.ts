import assert from "node:assert/strict"
import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { createRunDirectory, type RunDirectory } from "../../src/mounts/directory.ts"
import { tryMounts } from "../../src/mounts/probe.ts"
import { connectEngine } from "../../src/docker/engine.ts"
import { imageWith, shellImage } from "../support/base-image.ts"
import { cleanUp, docker } from "../support/docker.ts"
import { requireService } from "../support/services.ts"

after(cleanUp)

const { signal } = new AbortController()
/** With one secret, and not in the machine's own place, which tests of `purser run` look into meanwhile. */
async function runDirectory(t: TestContext): Promise<RunDirectory> {
  const root = await mkdtemp("/dev/shm/purser-test-")
  t.after(() => rm(root, { recursive: true, force: true }))
  return await createRunDirectory([{ path: "/run/secrets/a", content: new Secret("x") }], [join(root, "own")])
}
const pull = (): Promise<void> => Promise.reject(new Error("nothing is pulled here"))

test("an engine that does not see our directory is found out before anything runs", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  await using engine = await connectEngine({ env: process.env, home: "/nonexistent", signal })
  await using directory = await runDirectory(t)
  // What an engine with another file system finds there.
  for (const { source } of directory.mounts) await rm(source, { recursive: true })
  await assert.rejects(
    tryMounts(engine, { image: await shellImage(), user: undefined }, directory, { pull, signal }),
    { code: "ERR_ROUTE", message: /does not see our directory/ },
  )
  assert.equal(
    await docker(["ps", "--all", "--quiet", `--filter=label=purser.temporary=${directory.id}`]),
    "",
  )
})

test("the user is docker's: the flag's before the image's, names from the image, nothing is root", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  await using engine = await connectEngine({ env: process.env, home: "/nonexistent", signal })
  await using directory = await runDirectory(t)
  const plain = await shellImage()
  const ours = await imageWith(plain, "probe-user", {}, ["USER app:other"])
  const cases: [image: string, user: string | undefined, uid: number, gid: number][] = [
    [plain, undefined, 0, 0],
    [ours, undefined, 1000, 1001],
    [ours, "db", 999, 0],
    [ours, "7", 7, 0],
    [ours, "7:db", 7, 999],
    [plain, "4294967294:1", 4294967294, 1],
  ]
  for (const [image, user, uid, gid] of cases)
    assert.deepEqual(await tryMounts(engine, { image, user }, directory, { pull, signal }), { uid, gid })
})
