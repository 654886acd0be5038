import assert from "node:assert/strict"
import { stat } from "node:fs/promises"
import { after, test } from "node:test"
import { createLog } from "../../../src/base/log.ts"
import { putArchive } from "../../../src/docker/archive.ts"
import { inspectContainer } from "../../../src/docker/containers.ts"
import { writeTar } from "../../../src/docker/tar.ts"
import { openEngine as openEngineAt, startEngineProxy } from "../../docker/support.ts"
import { purserError } from "../../files/support.ts"
import { shellImage, shelllessImage } from "../../support/base-image.ts"
import { cleanUp, docker, run, startContainer, tmpfsVolume } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"
import { copyBy, file, namesIn, openEngine, seen } from "../support.ts"

/** Tests the route by the engine's archive call, which may write to tmpfs volumes only. */

after(cleanUp)

/** The text that each test's end searches for on the engine's disk. */
const [one, two] = [createMarker(), createMarker()]

const { signal } = new AbortController()
const copyTo = copyBy("volume")
const idle = ["sleep", "600"]
const idleNode = ["/usr/local/bin/node", "-e", "setInterval(() => {}, 1e9)"]

async function secretsIn(name: string, options?: string): Promise<string> {
  return `--volume=${await tmpfsVolume(name, options)}:/run/secrets`
}

test("writes into the volume of a hardened container without a shell, also while it is paused", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const hardened = ["--read-only", "--cap-drop=ALL", "--user=app:other", "--network=none"]
  const volume = await secretsIn("hardened", "size=64k,uid=1000,mode=0700")
  const id = await startContainer(t, await shelllessImage(), idleNode, [...hardened, volume])
  const container = await inspectContainer(engine, id, signal)
  const files = [
    file("/run/secrets/a b", one),
    file("/run/secrets/www/sub/tls.key", two, { mode: 0o640, owner: "db" }),
  ]
  const paths = files.map(({ path }) => path)
  let changes = 0
  const beforeChange = async () => {
    if (changes++ === 0) assert.deepEqual(await namesIn(container, "/run/secrets"), [])
  }
  await docker(["pause", id])
  const { written, replaced, unchanged, why } = await copyTo(engine, id, files, { beforeChange })
  assert.deepEqual({ written, replaced, unchanged }, { written: paths, replaced: [], unchanged: [] })
  assert.match(
    why,
    /^volume: by the engine, into its tmpfs volume, and read back through its process's root$/,
  )
  const first = { content: one, mode: "400", owner: "1000:1001" }
  assert.deepEqual(await seen(container, "/run/secrets/a b"), first)
  const second = { content: two, mode: "640", owner: "999:999" }
  assert.deepEqual(await seen(container, "/run/secrets/www/sub/tls.key"), second)
  const made = await stat(`/proc/${container.state.pid}/root/run/secrets/www/sub`)
  assert.deepEqual([made.mode & 0o7777, made.uid, made.gid], [0o755, 999, 999])

  await t.test(
    "and a file that is in place already is not written again, and its mode is fixed",
    async () => {
      const again = await copyTo(engine, id, files, { beforeChange })
      assert.deepEqual([again.written, again.unchanged, changes], [[], paths, 1])
      const next = [file("/run/secrets/a b", "new"), file(paths[1] ?? "", two)]
      const changed = await copyTo(engine, id, next, { beforeChange })
      assert.deepEqual([changed.replaced, changed.unchanged, changes], [[paths[0]], [paths[1]], 2])
      assert.deepEqual(await seen(container, paths[1] ?? ""), { ...first, content: two })
    },
  )
  await docker(["unpause", id])
})

test("reads back by a shell, or else from the volume, if the engine is elsewhere", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { address } = await startEngineProxy(t, { host: "127.0.0.1" })
  const remote = await openEngineAt(t, address)
  const withShell = await startContainer(t, await shellImage(), idle, [await secretsIn("shell")])
  const without = await startContainer(t, await shelllessImage(), idleNode, [await secretsIn("shell-less")])
  for (const [id, expected] of [
    [withShell, /read back by a shell in it$/],
    [without, /read back from the volume, because neither/],
  ] as const) {
    const files = [file("/run/secrets/a", one), file("/run/secrets/b", two, { owner: "db" })]
    const { written, why } = await copyTo(remote, id, files)
    assert.equal(written.length, 2)
    assert.match(why, expected)
    assert.equal((await copyTo(remote, id, files)).unchanged.length, 2)
    const container = await inspectContainer(remote, id, signal)
    assert.deepEqual(await seen(container, "/run/secrets/b"), {
      content: two,
      mode: "400",
      owner: "999:999",
    })
  }
})

test("a --tmpfs mount is never written by the archive call, which would leave plaintext on the disk", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets"])
  await docker(["exec", id, "mkdir", "/run/secrets/sub"])
  const layer = async () => (await docker(["diff", id])).split("\n")
  const before = await layer()
  for (const path of ["/run/secrets/a", "/run/secrets/sub/a"])
    await assert.rejects(
      copyTo(engine, id, [file(path, one)], { requireTmpfs: false }),
      purserError(
        "ERR_ROUTE",
        /\/run\/secrets is a --tmpfs mount, which the engine's archive calls do not see/,
      ),
    )
  assert.deepEqual(await layer(), before)

  await t.test("as it is if the call is used there", async () => {
    const tar = writeTar([{ name: "trap", content: Buffer.from("no secret"), mode: 0o400, uid: 0, gid: 0 }])
    await putArchive(engine, id, "/run/secrets", tar, signal)
    assert.ok((await layer()).includes("A /run/secrets/trap"))
    assert.deepEqual(await namesIn(await inspectContainer(engine, id, signal), "/run/secrets"), ["sub"])
  })
})

test("only a tmpfs volume that the container sees there is written", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const directory = await tempDir(t)
  const memory = await tmpfsVolume("memory")
  await docker(["volume", "create", `--label=purser.test=${run}`, `${run}-disk`])
  const id = await startContainer(t, await shellImage(), idle, [
    `--volume=${memory}:/memory`,
    "--tmpfs=/memory/hidden",
    "--mount=type=tmpfs,target=/other",
    `--volume=${memory}:/read-only:ro`,
    `--volume=${run}-disk:/disk`,
    `--volume=${directory}:/bind`,
    "--volume=/etc/hostname:/memory/single",
  ])
  await docker([
    "exec",
    id,
    "sh",
    "-c",
    "ln -s /etc /memory/out; ln -s /etc/gone /memory/leaf; mkfifo /memory/fifo",
  ])
  const layer = async () => (await docker(["diff", id])).split("\n").sort()
  const before = await layer()
  for (const [path, message] of [
    ["/etc/x", /lies in the container's own layer/],
    ["/memory", /lies in the container's own layer|is a mount point itself/],
    ["/memory/hidden/x", /\/memory\/hidden is a --tmpfs mount/],
    ["/other/x", /\/other is a --tmpfs mount/],
    ["/read-only/x", /\/read-only is mounted read-only/],
    ["/disk/x", /the volume at \/disk is not a tmpfs/],
    ["/bind/x", /\/bind is a mount of type bind/],
    ["/memory/single", /\/memory\/single is a mount of type bind/],
    ["/memories/x", /lies in the container's own layer/],
  ] as const)
    await assert.rejects(
      copyTo(engine, id, [file("/memory/a", one), file(path, two)], { requireTmpfs: false }),
      purserError("ERR_ROUTE", message),
      path,
    )
  for (const [path, message] of [
    ["/memory/out/x", /\/memory\/out is a symbolic link/],
    ["/memory/leaf", /a symbolic link is there/],
    ["/memory/fifo", /a device, FIFO or socket is there/],
    ["/memory/fifo/x", /\/memory\/fifo is not a directory/],
    [`/memory/${"x".repeat(120)}`, /does not fit into an archive/],
  ] as const)
    await assert.rejects(
      copyTo(engine, id, [file("/memory/a", one), file(path, two)]),
      purserError("ERR_TARGET", message),
      path,
    )
  assert.deepEqual(await layer(), before)
  const container = await inspectContainer(engine, id, signal)
  assert.deepEqual(await namesIn(container, "/memory"), ["fifo", "hidden", "leaf", "out", "single"])
})

test("a set that does not fit leaves the old files, and nothing of itself", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, [await secretsIn("small", "size=64k")])
  await copyTo(engine, id, [file("/run/secrets/a", "old", { mode: 0o440, owner: "db" })])
  let lines = ""
  const log = createLog({ write: (line) => (lines += line) })
  const files = [file("/run/secrets/a", "new"), file("/run/secrets/large", "x".repeat(70_000))]
  await assert.rejects(
    copyTo(engine, id, files, { log }),
    purserError("ERR_TARGET", /cannot write .*no space is left there/),
  )
  const container = await inspectContainer(engine, id, signal)
  const old = { content: "old", mode: "440", owner: "999:999" }
  assert.deepEqual(await seen(container, "/run/secrets/a"), old)
  const rest = (await namesIn(container, "/run/secrets")).filter((name) => name !== "a")
  for (const name of rest) assert.equal((await seen(container, `/run/secrets/${name}`)).content, "", name)
  assert.equal(rest.length > 0, /an empty \/run\/secrets\/large is left/.test(lines))
})

test("a container that is restarted, stopped or only created gets nothing", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const volume = await secretsIn("restarted")
  const id = await startContainer(t, await shellImage(), idle, [volume])
  const files = [file("/run/secrets/a", one)]
  const beforeChange = async () => void (await docker(["restart", "--time=0", id]))
  await assert.rejects(
    copyTo(engine, id, files, { beforeChange }),
    purserError("ERR_NOT_RUNNING", /restarted/),
  )
  assert.deepEqual(await namesIn(await inspectContainer(engine, id, signal), "/run/secrets"), [])
  await docker(["kill", id])
  await assert.rejects(copyTo(engine, id, files), purserError("ERR_NOT_RUNNING", /is not running \(exited\)/))
  const created = await docker(["create", `--label=purser.test=${run}`, volume, await shellImage(), ...idle])
  await assert.rejects(copyTo(engine, created, files), purserError("ERR_NOT_RUNNING", /\(created\)/))
})
