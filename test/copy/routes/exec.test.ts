import assert from "node:assert/strict"
import { stat } from "node:fs/promises"
import { after, test, type TestContext } from "node:test"
import { inspectContainer } from "../../../src/docker/containers.ts"
import type { Engine } from "../../../src/docker/engine.ts"
import { purserError } from "../../files/support.ts"
import { shellImage } from "../../support/base-image.ts"
import { cleanUp, docker, startContainer, tmpfsVolume } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { copyBy, file, namesIn, openEngine, seen } from "../support.ts"
import type { ContainerDetails } from "../../../src/docker/container-details.ts"

/** Tests the route by a shell in the container; its results are read from the engine's machine. */

after(cleanUp)

/** The text that each test's end searches for on the engine's disk. */
const [one, two] = [createMarker(), createMarker()]

const { signal } = new AbortController()
const secrets = "--tmpfs=/run/secrets:size=64k"
const copyTo = copyBy("exec")
const idle = ["sleep", "600"]

async function start(
  t: TestContext,
  options: readonly string[] = [secrets],
): Promise<{ engine: Engine; id: string; container: ContainerDetails }> {
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, options)
  return { engine, id, container: await inspectContainer(engine, id, signal) }
}

test("a set is written for the container's own user, and nothing else is left", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, container } = await start(t, [secrets, "--user=1000:1001"])
  const files = [file("/run/secrets/a", one), file("/run/secrets/www/sub/tls.key", two, { mode: 0o751 })]
  const paths = files.map(({ path }) => path)
  let changes = 0
  const beforeChange = async () => {
    changes++
    const staged = await namesIn(container, "/run/secrets")
    assert.equal(staged.length, 3 + changes)
    if (changes > 1) return
    const temporary = staged.find((name) => name.startsWith(".purser-"))
    assert.equal((await seen(container, `/run/secrets/${temporary}`)).content, one)
  }
  const { written, replaced, unchanged } = await copyTo(engine, id, files, { beforeChange })
  assert.deepEqual({ written, replaced, unchanged }, { written: paths, replaced: [], unchanged: [] })
  const expected = { content: one, mode: "400", owner: "1000:1001" }
  assert.deepEqual(await seen(container, "/run/secrets/a"), expected)
  const inner = { content: two, mode: "751", owner: "1000:1001" }
  assert.deepEqual(await seen(container, "/run/secrets/www/sub/tls.key"), inner)
  const names = ["a", "www", "www/sub", "www/sub/tls.key"]
  assert.deepEqual(await namesIn(container, "/run/secrets"), names)
  assert.equal(changes, 1)

  await t.test("and a file that is in place already is not written again", async () => {
    const { ino } = await stat(`/proc/${container.state.pid}/root/run/secrets/a`)
    const again = await copyTo(engine, id, files, { beforeChange })
    assert.deepEqual([again.written, again.replaced, again.unchanged], [[], [], paths])
    assert.equal((await stat(`/proc/${container.state.pid}/root/run/secrets/a`)).ino, ino)
    assert.equal(changes, 1)
    const next = [file("/run/secrets/a", "new"), ...files.slice(1)]
    const changed = await copyTo(engine, id, next, { beforeChange })
    assert.deepEqual([changed.written, changed.replaced], [["/run/secrets/a"], ["/run/secrets/a"]])
    assert.deepEqual(changed.unchanged, paths.slice(1))
    assert.equal(changes, 2)
  })

  await t.test("and the wrong mode of a file with the right content is fixed", async () => {
    const again = await copyTo(engine, id, [file("/run/secrets/a", "new", { mode: 0o440 })], { beforeChange })
    assert.deepEqual([again.written, again.unchanged], [[], ["/run/secrets/a"]])
    assert.equal((await seen(container, "/run/secrets/a")).mode, "440")
    assert.equal(changes, 2)
  })
})

test("another owner's file is created by root, by the container's own names", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, container } = await start(t, [secrets, "--user=app"])
  const files = [
    file("/run/secrets/db", one, { owner: "db" }),
    file("/run/secrets/number", two, { owner: "4711", mode: 0o440 }),
    file("/run/secrets/own", "three"),
    file("/run/secrets/sub/group", "four", { owner: "app:other" }),
  ]
  await copyTo(engine, id, files)
  const owner = async (name: string) => (await seen(container, `/run/secrets/${name}`)).owner
  assert.deepEqual(
    [await owner("db"), await owner("number"), await owner("own"), await owner("sub/group")],
    ["999:999", "4711:4711", "1000:1000", "1000:1001"],
  )
  assert.deepEqual((await copyTo(engine, id, files)).unchanged.length, 4)
  await assert.rejects(
    copyTo(engine, id, [file("/run/secrets/x", one, { owner: "nobody-knows" })]),
    purserError("ERR_TARGET", /there is no user "nobody-knows" in the container/),
  )
})

test("the user's own files need no capabilities, and a missing one is explained", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const hardened = ["--cap-drop=ALL", "--read-only", "--security-opt=no-new-privileges", "--network=none"]
  const { engine, id, container } = await start(t, [secrets, "--user=1000", ...hardened])
  await copyTo(engine, id, [file("/run/secrets/a", one), file("/run/secrets/b", two, { owner: "app" })])
  assert.equal((await seen(container, "/run/secrets/a")).owner, "1000:1000")
  await assert.rejects(
    copyTo(engine, id, [file("/run/secrets/c", "three", { owner: "db" })]),
    purserError("ERR_ROUTE", /\/run\/secrets\/c is to be another user's, and root .* lacks CHOWN/),
  )
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a", "b"])
})

test("files in a setgid directory still get the user's group", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, container } = await start(t, [
    "--tmpfs=/run/secrets:uid=1000,gid=999,mode=2770",
    "--user=app",
  ])
  await copyTo(engine, id, [file("/run/secrets/a", one), file("/run/secrets/sub/b", two)])
  assert.equal((await seen(container, "/run/secrets/a")).owner, "1000:1000")
  assert.equal((await seen(container, "/run/secrets/sub/b")).owner, "1000:1000")
})

test("root with no capability but CHOWN is enough", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const caps = ["--cap-drop=ALL", "--cap-add=CHOWN", "--user=app"]
  const { engine, id, container } = await start(t, [secrets, ...caps])
  const files = [
    file("/run/secrets/a", one, { owner: "db" }),
    file("/run/secrets/b", two, { owner: "4711:db", mode: 0o640 }),
  ]
  assert.equal((await copyTo(engine, id, files)).written.length, 2)
  assert.deepEqual(await seen(container, "/run/secrets/a"), { content: one, mode: "400", owner: "999:999" })
  assert.deepEqual(await seen(container, "/run/secrets/b"), {
    content: two,
    mode: "640",
    owner: "4711:999",
  })
  assert.equal((await copyTo(engine, id, files)).unchanged.length, 2)
})

test("paths may hold any byte that a path can", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, container } = await start(t)
  const names = [
    "a b",
    'it\'s "$(id)" `x`',
    "-rf",
    "new\nline\n",
    "back\\slash\\040",
    "ünï",
    "*",
    "~",
    "%s",
    "-d/-e",
  ]
  const files = names.map((name) => file(`/run/secrets/${name}`, name))
  assert.equal((await copyTo(engine, id, files)).written.length, names.length)
  for (const name of names) assert.equal((await seen(container, `/run/secrets/${name}`)).content, name)
  assert.equal((await copyTo(engine, id, files)).unchanged.length, names.length)
})

test("links on the way are followed as for the application, a link in the file's place is refused and kept", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, container } = await start(t)
  const prepare = "rm -r /var/run; ln -s /run /var/run; mkdir /run/secrets/d /tmp/disk"
  const links = "ln -s /etc/passwd /run/secrets/a; ln -s d /run/secrets/b; ln -s gone /run/secrets/c"
  await docker(["exec", id, "sh", "-c", `${prepare}; ${links}; ln -s /tmp/disk /run/secrets/disk`])
  const passwd = (await seen(container, "/etc/passwd")).content
  for (const name of ["a", "b", "c"])
    await assert.rejects(
      copyTo(engine, id, [file(`/var/run/secrets/${name}`, one)]),
      purserError("ERR_TARGET", /a symbolic link is there/),
    )
  await copyTo(engine, id, [file("/var/run/secrets/e", one)])
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a", "b", "c", "d", "disk", "e"])
  assert.equal(await docker(["exec", id, "readlink", "/run/secrets/disk"]), "/tmp/disk")
  assert.equal((await seen(container, "/etc/passwd")).content, passwd)
  await assert.rejects(
    copyTo(engine, id, [file("/run/secrets/disk/x", one)]),
    purserError("ERR_DISK", /\/run\/secrets\/disk\/x would lie on a disk/),
  )
  await assert.rejects(
    copyTo(engine, id, [file("/run/secrets/x", one), file("/var/run/secrets/x", two)]),
    purserError("ERR_TARGET", /is the same file as another of this set/),
  )
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a", "b", "c", "d", "disk", "e"])
})

test("a failed write leaves the old files and nothing more", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const readOnly = await tmpfsVolume("read-only")
  const { engine, id, container } = await start(t, [
    secrets,
    "--read-only",
    `--volume=${readOnly}:/read-only:ro`,
    "--volume=/proc/self/status:/run/secrets/mounted:ro",
  ])
  const make = "mkfifo /run/secrets/fifo; mkdir /run/secrets/directory; echo x >/run/secrets/plain"
  await docker(["exec", id, "sh", "-c", make])
  await copyTo(engine, id, [file("/run/secrets/a", "old")])
  const before = await namesIn(container, "/run/secrets")
  const fails = async (path: string, message: RegExp, requireTmpfs = true) => {
    const content = path.endsWith("large") ? "x".repeat(70_000) : "x"
    const files = [file("/run/secrets/a", "new"), file(path, content)]
    await assert.rejects(
      copyTo(engine, id, files, { requireTmpfs }),
      purserError("ERR_TARGET", message),
      path,
    )
    assert.deepEqual(await namesIn(container, "/run/secrets"), before)
    assert.equal((await seen(container, "/run/secrets/a")).content, "old")
  }
  await fails("/run/secrets/large", /cannot write \/run\/secrets\/large: no space is left there/)
  await fails("/run/secrets/sub/sub/large", /no space is left there/)
  await fails("/run/secrets/mounted", /it is a mount point itself/)
  await fails("/read-only/x", /cannot write \/read-only\/x: the file system is read-only/)
  await fails("/read-only/sub/x", /the file system is read-only/)
  await fails("/opt/x", /the file system is read-only/, false)
  await fails("/run/secrets/fifo", /a FIFO is there/)
  await fails("/run/secrets/directory", /a directory is there/)
  await fails("/run/secrets/plain/x", /part of the path is/)
  await fails("/dev/null", /a device is there/)
})
