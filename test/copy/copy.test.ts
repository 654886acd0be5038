import assert from "node:assert/strict"
import { after, test, type TestContext } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { copyInto, type CopyOptions, type CopyResult } from "../../src/copy/copy.ts"
import type { FileToCopy } from "../../src/copy/route.ts"
import { inspectContainer } from "../../src/docker/containers.ts"
import type { Engine } from "../../src/docker/engine.ts"
import { openEngine as openEngineAt, startEngineProxy } from "../docker/support.ts"
import { purserError } from "../files/support.ts"
import { shellImage, shelllessImage } from "../support/base-image.ts"
import { cleanUp, docker, inspect, startContainer, tmpfsVolume } from "../support/docker.ts"
import { createMarker } from "../support/leaks.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"
import { file, openEngine } from "./support.ts"

/** Tests the choice of a route. */

after(cleanUp)

/** The text that each test's end searches for on the engine's disk. */
const [one, two] = [createMarker(), createMarker()]

const { signal } = new AbortController()
const secrets = "--tmpfs=/run/secrets:size=64k"
const idle = ["sleep", "600"]
const idleNode = ["/usr/local/bin/node", "-e", "setInterval(() => {}, 1e9)"]
const files = [file("/run/secrets/a", one)]
const paths = files.map(({ path }) => path)

async function copyTo(
  engine: Engine,
  id: string,
  set: readonly FileToCopy[] = files,
  extra: Partial<CopyOptions> = {},
): Promise<CopyResult> {
  const options = { requireTmpfs: true, log: silentLog, signal, ...extra } as const
  return await copyInto(engine, await inspectContainer(engine, id, signal), set, options)
}

/** An engine that claims to be on another machine. */
async function openRemote(t: TestContext): Promise<Engine> {
  return await openEngineAt(t, (await startEngineProxy(t, { host: "127.0.0.1" })).address)
}

test("root on the engine's machine uses the process's root", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const id = await startContainer(t, await shelllessImage(), idleNode, [secrets])
  const { route, why, skipped, written, replaced } = await copyTo(await openEngine(t), id)
  assert.deepEqual(
    { route, skipped, written, replaced },
    { route: "proc", skipped: [], written: paths, replaced: [] },
  )
  assert.equal(why, "proc: through its process's root")
})

test("elsewhere a shell is used, and without one a tmpfs volume, with the reasons", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openRemote(t)
  const volume = `--volume=${await tmpfsVolume("choice")}:/run/secrets`
  const withShell = await startContainer(t, await shellImage(), idle, [secrets])
  const withVolume = await startContainer(t, await shelllessImage(), idleNode, [volume])
  const byShell = await copyTo(engine, withShell)
  assert.equal(byShell.route, "exec")
  assert.equal(byShell.why, "exec: by a shell in it (not proc: the engine is not on this machine)")
  const byVolume = await copyTo(engine, withVolume)
  assert.equal(byVolume.route, "volume")
  assert.deepEqual(byVolume.skipped, [
    { route: "proc", why: "the engine is not on this machine" },
    { route: "exec", why: "there is no sh in it" },
  ])
  assert.equal(await docker(["exec", withShell, "cat", "/run/secrets/a"]), one)

  await t.test("also if only root could change the owner, and may not", async () => {
    const other = `--volume=${await tmpfsVolume("capless")}:/run/secrets`
    const id = await startContainer(t, await shellImage(), idle, ["--cap-drop=ALL", "--user=app", other])
    const result = await copyTo(engine, id, [file("/run/secrets/a", one, { owner: "db" })])
    assert.equal(result.route, "volume")
    assert.match(result.skipped[1]?.why ?? "", /lacks CHOWN/)
    assert.match(await docker(["exec", id, "ls", "-l", "/run/secrets"]), /^-r-------- +1 db +db /m)
  })
})

test("if no route can work, each reason is reported and nothing is tried", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openRemote(t)
  const id = await startContainer(t, await shelllessImage(), idleNode, [secrets])
  await assert.rejects(copyTo(engine, id), (error: unknown) => {
    assert.ok(purserError("ERR_ROUTE", /^no route into the container ".*" can work$/)(error))
    assert.match(
      error.hint ?? "",
      /not proc: the engine is not on this machine; not exec: there is no sh in it; /,
    )
    assert.match(error.hint ?? "", /not volume: \/run\/secrets is a --tmpfs mount/)
    return true
  })
  const before = await docker(["diff", id])
  await assert.rejects(
    copyTo(engine, id, files, { route: "proc" }),
    purserError("ERR_ROUTE", /^route proc cannot work for ".*": the engine is not on this machine$/),
  )
  assert.equal(await docker(["diff", id]), before)
})

test("a route that fails is not followed by another", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openRemote(t)
  const volume = `--volume=${await tmpfsVolume("small", "size=64k")}:/run/secrets`
  const id = await startContainer(t, await shellImage(), idle, [volume])
  let changes = 0
  const beforeChange = async () => void changes++
  const large = [...files, file("/run/secrets/large", "x".repeat(70_000))]
  await assert.rejects(copyTo(engine, id, large, { beforeChange }), (error: unknown) => {
    assert.ok(purserError("ERR_TARGET", /cannot write \/run\/secrets\/large: no space is left there/)(error))
    return true
  })
  await assert.rejects(
    copyTo(engine, id, [...files, file("/home/a", one)], { beforeChange }),
    purserError("ERR_DISK", /\/home\/a would lie on a disk/),
  )
  assert.equal(await docker(["exec", id, "ls", "-A", "/run/secrets", "/home"]), "/home:\n\n/run/secrets:")
  assert.equal(changes, 0)
})

test("writes to a disk if that is allowed, with a warning", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openRemote(t)
  const id = await startContainer(t, await shellImage(), idle)
  const warnings: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
  const { written } = await copyTo(engine, id, [file("/home/a", "no secret")], { requireTmpfs: false, log })
  assert.deepEqual(written, ["/home/a"])
  assert.deepEqual(warnings, ["/home/a lies on a disk, where plaintext can outlive its deletion"])
})

test("a paused container is served by routes that start nothing in it, or reported as paused", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openRemote(t)
  const volume = `--volume=${await tmpfsVolume("paused")}:/run/secrets`
  const withVolume = await startContainer(t, await shellImage(), idle, [volume])
  const without = await startContainer(t, await shellImage(), idle, [secrets])
  await docker(["pause", withVolume, without])
  try {
    const { route, why } = await copyTo(engine, withVolume)
    assert.equal(route, "volume")
    assert.match(why, /read back from the volume/)
    await assert.rejects(copyTo(engine, without), (error: unknown) => {
      assert.ok(purserError("ERR_CONTAINER_PAUSED", /the container ".*" is paused/)(error))
      assert.match(error.hint ?? "", /^docker unpause .*not volume: \/run\/secrets is a --tmpfs mount/)
      return true
    })
    assert.equal((await inspect<{ ExecIDs: string[] | null }>(without)).ExecIDs, null)
  } finally {
    await docker(["unpause", withVolume, without])
  }
  assert.equal(await docker(["exec", withVolume, "cat", "/run/secrets/a"]), one)
})

test("a container that is stopped, or in a restart loop, gets nothing", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const image = await shellImage()
  const stopped = await startContainer(t, image, ["true"])
  await docker(["wait", stopped])
  await assert.rejects(copyTo(engine, stopped), purserError("ERR_NOT_RUNNING", /is not running \(exited\)/))
  const looping = await startContainer(t, image, ["false"], ["--restart=always"])
  await waitFor("a pause between two runs", async () => {
    const seen = await inspectContainer(engine, looping, signal)
    if (!seen.state.restarting || seen.state.pid > 0) return false
    // As it was seen: it may be in its next run already.
    const options = { requireTmpfs: true, log: silentLog, signal }
    await assert.rejects(copyInto(engine, seen, files, options), purserError("ERR_NOT_RUNNING", /./))
    return true
  })
})

test("invalid sets are refused before the engine is asked", async () => {
  const engine = new Proxy({} as Engine, {
    get: () => () => assert.fail("the engine was asked"),
  })
  const container = { name: "web", state: { running: true, pid: 1 } } as Awaited<
    ReturnType<typeof inspectContainer>
  >
  const options = { requireTmpfs: true, log: silentLog, signal } as const
  const refused = (set: readonly FileToCopy[], message: RegExp) =>
    assert.rejects(copyInto(engine, container, set, options), purserError("ERR_TARGET", message))
  await refused([file("/a", one), file("/b", two), file("//a", one)], /"\/a" would be written twice/)
  for (const path of ["", "a", "/a/", "/", "/a/../b", "/./a", "/a\0b"])
    await refused([file(path, one)], /is not an absolute path of a file/)
  for (const owner of ["", "a:", ":b", "a b", "-a", "$(id)"])
    await refused([file("/a", one, { owner })], /is not USER or USER:GROUP/)
  const mode = copyInto(engine, container, [file("/a", one, { mode: 0o1777 })], options)
  await assert.rejects(mode, TypeError)
})
