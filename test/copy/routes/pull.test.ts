import assert from "node:assert/strict"
import { after, test, type TestContext } from "node:test"
import { silentLog } from "../../../src/base/log.ts"
import { copyInto, type CopyOptions, type CopyResult } from "../../../src/copy/copy.ts"
import type { FileToCopy } from "../../../src/copy/route.ts"
import { pullRoute } from "../../../src/copy/routes/pull.ts"
import { temporaryLabel } from "../../../src/copy/routes/pull/isolate.ts"
import { inspectContainer } from "../../../src/docker/containers.ts"
import type { Engine } from "../../../src/docker/engine.ts"
import { listNetworks } from "../../../src/docker/networks.ts"
import { purserError } from "../../files/support.ts"
import { baseImage, opensslImage, shellImage } from "../../support/base-image.ts"
import { cleanUp, network, startContainer } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"
import { file, namesIn, openEngine, seen } from "../support.ts"
import type { ContainerDetails } from "../../../src/docker/container-details.ts"

/** Tests the route by which the container downloads; its results are read from the engine's machine. */

after(cleanUp)

/** The text that each test's end searches for on the engine's disk. */
const [one, two] = [createMarker(), createMarker()]

const { signal } = new AbortController()
const secrets = "--tmpfs=/run/secrets:size=1m,mode=1777"
const idle = ["sleep", "600"]

interface Started {
  readonly engine: Engine
  readonly id: string
  readonly container: ContainerDetails
}

async function start(
  t: TestContext,
  image: string,
  options: readonly string[] = [],
  command: readonly string[] = idle,
): Promise<Started> {
  const engine = await openEngine(t)
  const id = await startContainer(t, image, command, [secrets, "--init", ...options])
  return { engine, id, container: await inspectContainer(engine, id, signal) }
}

async function copyTo(
  { engine, container }: Started,
  files: readonly FileToCopy[],
  extra: Partial<CopyOptions> = {},
): Promise<CopyResult> {
  const options = { route: "pull", requireTmpfs: true, log: silentLog, signal, ...extra } as const
  return await copyInto(engine, container, files, options)
}

test("a set is downloaded for the container's own user, and nothing else is left", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "openssl"))) return
  const started = await start(t, await opensslImage(), ["--user=1000:1001"])
  const { container } = started
  const long = "x".repeat(200_000)
  const files = [
    file("/run/secrets/a b'\"$x\\", one),
    file("/run/secrets/www/sub/tls.key", long, { mode: 0o640 }),
    file("/run/secrets/empty", ""),
  ]
  const paths = files.map(({ path }) => path)
  const said: string[] = []
  let changes = 0
  const beforeChange = async () => {
    changes++
    for (const name of await namesIn(container, "/run/secrets")) assert.match(name, /\.purser-|^www(\/sub)?$/)
  }
  const pull = pullRoute({ onReceiverOutput: (text: string) => said.push(text) })
  const { route, written, replaced, unchanged } = await copyTo(started, files, {
    beforeChange,
    route: pull,
  })
  assert.deepEqual(
    { route, written, replaced, unchanged },
    { route: "pull", written: paths, replaced: [], unchanged: [] },
  )
  const owner = "1000:1001"
  assert.deepEqual(await seen(container, paths[0] ?? ""), { content: one, mode: "400", owner })
  assert.deepEqual(await seen(container, paths[1] ?? ""), { content: long, mode: "640", owner })
  assert.deepEqual(await seen(container, paths[2] ?? ""), { content: "", mode: "400", owner })
  const names = ["a b'\"$x\\", "empty", "www", "www/sub", "www/sub/tls.key"]
  assert.deepEqual(await namesIn(container, "/run/secrets"), names)
  assert.equal(changes, 1)
  assert.match(said.join(""), /staged 1\nstaged 2\nstaged 3\nchanged/)

  await t.test("and a file that is in place already is not downloaded again", async () => {
    const next = [...files.slice(0, 2), file("/run/secrets/empty", "full")]
    const again = await copyTo(started, next)
    assert.deepEqual([again.written, again.replaced], [[paths[2]], [paths[2]]])
    assert.deepEqual(again.unchanged, paths.slice(0, 2))
  })

  await t.test("and a set that is cancelled before its change leaves the old files", async () => {
    const refusal = new Error("not now")
    const beforeChange = () => Promise.reject(refusal)
    const next = [file("/run/secrets/empty", "new"), file("/run/secrets/deep/er/x", "new")]
    await assert.rejects(copyTo(started, next, { beforeChange }), refusal)
    await waitFor(
      "its leaving",
      async () => (await namesIn(container, "/run/secrets")).length === names.length,
    )
    assert.equal((await seen(container, "/run/secrets/empty")).content, "full")
  })
})

test("with curl instead of wget, another owner's file is created by root", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "openssl"))) return
  const image = await baseImage({ shell: true, programs: ["openssl", "curl"] })
  const command = ["sh", "-c", "rm /bin/wget && touch /ready && exec sleep 600"]
  const started = await start(t, image, [`--network=${await network("curl")}`], command)
  await waitFor("the container", async () => (await namesIn(started.container, "/")).includes("ready"))
  await copyTo(started, [file("/run/secrets/db", one, { owner: "db" })])
  const expected = { content: one, mode: "400", owner: "999:999" }
  assert.deepEqual(await seen(started.container, "/run/secrets/db"), expected)
})

test("a container on the host's network, and one that shares another's network, are served too", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "openssl"))) return
  const image = await opensslImage()
  const host = await start(t, image, ["--network=host"])
  await copyTo(host, [file("/run/secrets/a", one)])
  const first = await start(t, image)
  const second = await start(t, image, [`--network=container:${first.id}`])
  await copyTo(second, [file("/run/secrets/a", two)])
  assert.equal((await seen(second.container, "/run/secrets/a")).content, two)
  assert.deepEqual(await namesIn(first.container, "/run/secrets"), [])
})

test("missing programs are named, and a disk is refused", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "openssl"))) return
  const bare = await start(t, await shellImage())
  await assert.rejects(
    copyTo(bare, [file("/run/secrets/a", one)]),
    purserError("ERR_ROUTE", /there is no openssl in it/),
  )
  const started = await start(t, await opensslImage(), ["--network=none"])
  await assert.rejects(
    copyTo(started, [file("/run/secrets/a", one)]),
    purserError("ERR_ROUTE", /it has no network/),
  )
  const alone = { route: pullRoute({ isolate: true }) }
  await assert.rejects(
    copyTo(started, [file("/run/secrets/a", one)], alone),
    purserError("ERR_ROUTE", /allows no second one/),
  )
  const route = pullRoute({ serveAddress: "127.0.0.1" })
  await assert.rejects(copyTo(started, [file("/var/lib/a", one)], { route }), purserError("ERR_DISK", /disk/))
  // The container's own loopback, where nothing listens.
  await assert.rejects(
    copyTo(started, [file("/run/secrets/x/a", one)], { route }),
    purserError("ERR_UNREACHABLE", /cannot fetch from 127\.0\.0\.1/),
  )
  await waitFor("its leaving", async () => (await namesIn(started.container, "/run/secrets")).length === 0)
  await assert.rejects(
    copyTo(started, [file("/run/secrets/a", one)], { route: pullRoute({ serveAddress: "203.0.113.1" }) }),
    purserError("ERR_LISTEN", /cannot listen on "203\.0\.113\.1"/),
  )
})

test("an isolated copy has a network of its own, which is gone afterwards", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "openssl"))) return
  const started = await start(t, await opensslImage())
  const { engine, id, container } = started
  const own = async () => listNetworks(engine, { labels: [`${temporaryLabel}=${id}`] }, signal)
  let during = 0
  const beforeChange = async () => void (during = (await own()).length)
  await copyTo(started, [file("/run/secrets/a", one)], { beforeChange, route: pullRoute({ isolate: true }) })
  assert.equal((await seen(container, "/run/secrets/a")).content, one)
  assert.equal(during, 1)
  assert.deepEqual(await own(), [])

  await t.test("also when it fails and when it is cancelled", async () => {
    const failing = () => Promise.reject(new Error("not now"))
    const route = pullRoute({ isolate: true })
    const files = [file("/run/secrets/a", two)]
    await assert.rejects(copyTo(started, files, { beforeChange: failing, route }), /not now/)
    assert.deepEqual(await own(), [])
    const stop = new AbortController()
    const stopping = async () => {
      stop.abort(new Error("given up"))
      await Promise.resolve()
    }
    await assert.rejects(copyTo(started, files, { beforeChange: stopping, route, signal: stop.signal }))
    assert.deepEqual(await own(), [])
    const { networks } = await inspectContainer(engine, id, signal)
    assert.deepEqual(Object.keys(networks), Object.keys(container.networks))
    await waitFor("its leaving", async () => (await namesIn(container, "/run/secrets")).join() === "a")
    assert.equal((await seen(container, "/run/secrets/a")).content, one)
  })
})

test("a copy that is cancelled between its download and its change leaves nothing", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "openssl"))) return
  const started = await start(t, await opensslImage(), ["--network=host"])
  const { container } = started
  const stop = new AbortController()
  const files = [file("/run/secrets/new/a", one)]
  const copying = copyTo(started, files, {
    signal: stop.signal,
    beforeChange: async () => {
      const { promise, reject } = Promise.withResolvers<never>()
      stop.signal.addEventListener("abort", () => reject(stop.signal.reason))
      stop.abort(new Error("given up"))
      await promise
    },
  })
  await assert.rejects(copying, /given up/)
  await waitFor("its leaving", async () => (await namesIn(container, "/run/secrets")).length === 0)
})
