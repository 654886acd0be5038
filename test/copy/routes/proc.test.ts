import assert from "node:assert/strict"
import { after, test } from "node:test"
import { createLog } from "../../../src/base/log.ts"
import { procRoute } from "../../../src/copy/routes/proc.ts"
import { inspectContainer } from "../../../src/docker/containers.ts"
import { purserError } from "../../files/support.ts"
import { imageWith, shellImage, shelllessImage } from "../../support/base-image.ts"
import { cleanUp, docker, run, startContainer, tmpfsVolume } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { copyTo, file, namesIn, openEngine, seen, taskFor } from "../support.ts"

/** Tests the route through `/proc/PID/root` on well-behaved containers. */

after(cleanUp)

/** The text that each test's end searches for on the engine's disk. */
const [one, two] = [createMarker(), createMarker()]

const { signal } = new AbortController()
const secrets = "--tmpfs=/run/secrets:size=64k"
const idle = ["sleep", "600"]
const idleNode = ["/usr/local/bin/node", "-e", "setInterval(() => {}, 1e9)"]

test("writes what the application reads, for its user alone, and leaves nothing else", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, [secrets, "--user=1000"])
  const files = [file("/run/secrets/a", one), file("/run/secrets/www/tls.key", two, { mode: 0o440 })]
  assert.equal(await procRoute.whyNot(await taskFor(engine, id, files)), null)
  const paths = files.map(({ path }) => path)
  assert.deepEqual(await copyTo(engine, id, files), { written: paths, replaced: [], unchanged: [] })
  assert.equal(await docker(["exec", id, "cat", ...paths]), one + two)
  const container = await inspectContainer(engine, id, signal)
  assert.deepEqual(await seen(container, "/run/secrets/a"), {
    content: one,
    mode: "400",
    owner: "1000:1000",
  })
  assert.deepEqual(await seen(container, "/run/secrets/www/tls.key"), {
    content: two,
    mode: "440",
    owner: "1000:1000",
  })
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a", "www", "www/tls.key"])

  await t.test("and tells replaced files from unchanged ones", async () => {
    let changes = 0
    const beforeChange = async () => void changes++
    assert.deepEqual(await copyTo(engine, id, files, { beforeChange }), {
      written: [],
      replaced: [],
      unchanged: paths,
    })
    assert.equal(changes, 0)
    const next = [file("/run/secrets/a", "new"), file("/run/secrets/b", "three"), ...files.slice(1)]
    assert.deepEqual(await copyTo(engine, id, next, { beforeChange }), {
      written: ["/run/secrets/a", "/run/secrets/b"],
      replaced: ["/run/secrets/a"],
      unchanged: ["/run/secrets/www/tls.key"],
    })
    assert.equal(changes, 1)
  })

  await t.test("and fixes the mode and owner of files that it does not write again", async () => {
    const other = file("/run/secrets/b", "three", { mode: 0o444, owner: "db:nobody" })
    assert.deepEqual((await copyTo(engine, id, [other])).unchanged, ["/run/secrets/b"])
    const { mode, owner } = await seen(container, "/run/secrets/b")
    assert.deepEqual([mode, owner], ["444", "999:65534"])
  })
})

test("works without a shell, on a read-only root, without capabilities, and while paused", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const hardened = ["--read-only", "--cap-drop=ALL", "--user=1000:1001", "--network=none"]
  const more = ["--security-opt=no-new-privileges", "--tmpfs=/run/secrets:size=64k,mode=0700,uid=1000"]
  const id = await startContainer(t, await shelllessImage(), idleNode, [...hardened, ...more])
  await docker(["pause", id])
  const { written } = await copyTo(engine, id, [file("/run/secrets/a", one)])
  assert.deepEqual(written, ["/run/secrets/a"])
  const container = await inspectContainer(engine, id, signal)
  assert.equal(container.state.paused, true)
  assert.deepEqual(await seen(container, "/run/secrets/a"), {
    content: one,
    mode: "400",
    owner: "1000:1001",
  })
  await docker(["unpause", id])
  const read = "process.stdout.write(require('fs').readFileSync('/run/secrets/a'))"
  assert.equal(await docker(["exec", id, "/usr/local/bin/node", "-e", read]), one)
})

test("the owner is the container's own user, by its own names", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const image = await shellImage()
  const named = await imageWith(image, "proc-user", { "etc/passwd": "web:x:4242:4243::/:/bin/sh\n" }, [
    "USER web",
  ])
  for (const [from, options, owner] of [
    [image, [], "0:0"],
    [image, ["--user=db"], "999:999"],
    [image, ["--user=4711"], "4711:0"], // as the engine starts it
    [image, ["--user=4711:db"], "4711:999"],
    [named, [], "4242:4243"],
  ] as const) {
    const id = await startContainer(t, from, idle, [secrets, ...options])
    await copyTo(engine, id, [file("/run/secrets/a", one)])
    const container = await inspectContainer(engine, id, signal)
    assert.equal((await seen(container, "/run/secrets/a")).owner, owner)
    assert.equal(await docker(["exec", id, "cat", "/run/secrets/a"]), one)
  }
  await t.test("and if that name is gone, the user that the process runs as", async () => {
    const id = await startContainer(t, image, idle, [secrets, "--user=db"])
    await docker(["exec", "--user=0", id, "rm", "/etc/passwd"])
    await copyTo(engine, id, [file("/run/secrets/a", one)])
    const container = await inspectContainer(engine, id, signal)
    assert.equal((await seen(container, "/run/secrets/a")).owner, "999:999")
    await assert.rejects(
      copyTo(engine, id, [file("/run/secrets/b", two, { owner: "db" })]),
      purserError("ERR_TARGET", /there is no user "db" in the container/),
    )
    assert.deepEqual(await namesIn(container, "/run/secrets"), ["a"])
  })
})

test("links on the way are followed as for the application", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, [secrets])
  const links = "rm -r /var/run; ln -s /run /var/run; ln -s ../../../var/run/secrets /home/secrets"
  await docker(["exec", id, "sh", "-c", links])
  await copyTo(engine, id, [file("/var/run/secrets/a", one), file("/home/secrets/sub/b", two)])
  const container = await inspectContainer(engine, id, signal)
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a", "sub", "sub/b"])
  assert.equal(await docker(["exec", id, "cat", "/var/run/secrets/a", "/home/secrets/sub/b"]), one + two)
})

test("a file on a disk is refused before anything is created there, or warned of", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle)
  const files = [file("/run/secrets/deep/a", "no secret")]
  await assert.rejects(copyTo(engine, id, files), (error: unknown) => {
    assert.ok(purserError("ERR_DISK", /\/run\/secrets\/deep\/a would lie on a disk/)(error))
    assert.match(error.hint ?? "", /--tmpfs/)
    return true
  })
  const container = await inspectContainer(engine, id, signal)
  assert.deepEqual(await namesIn(container, "/run"), [])
  const lines: string[] = []
  const log = createLog({ write: (line) => void lines.push(line) })
  await copyTo(engine, id, files, { requireTmpfs: false, log })
  assert.equal((await seen(container, "/run/secrets/deep/a")).content, "no secret")
  assert.match(lines.join(""), /lies on a disk/)
  await assert.rejects(copyTo(engine, id, [file("/etc/hosts", "x")]), purserError("ERR_DISK", /\/etc\/hosts/))
})

test("a failed write is reported, and leaves the old files and nothing more", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const readOnly = await tmpfsVolume("read-only")
  const id = await startContainer(t, await shellImage(), idle, [
    secrets,
    "--read-only",
    `--volume=${readOnly}:/read-only:ro`,
    "--volume=/proc/self/status:/run/mounted-file:ro",
  ])
  await copyTo(engine, id, [file("/run/secrets/a", "old")])
  const container = await inspectContainer(engine, id, signal)
  const fails = (path: string, message: RegExp, requireTmpfs = true) =>
    assert.rejects(
      copyTo(engine, id, [file("/run/secrets/a", "new"), file(path, "x".repeat(70_000))], { requireTmpfs }),
      purserError("ERR_TARGET", message),
      path,
    )
  await fails("/run/secrets/large", /cannot write \/run\/secrets\/large: no space is left there/)
  await fails("/read-only/x", /cannot write \/read-only\/x: the file system is read-only/)
  await fails("/read-only/sub/x", /the file system is read-only/)
  await fails("/opt/x", /the file system is read-only/, false)
  await fails("/proc/acpi/x", /cannot write \/proc\/acpi\/x: /) // masked by an empty tmpfs
  await fails("/proc/keys", /cannot write \/proc\/keys: a device is there/, false) // masked by /dev/null
  await fails("/proc/sys/x/y", /cannot write \/proc\/sys\/x\/y: /, false)
  await fails("/etc/passwd/b", /part of the path is/, false)
  await fails("/etc", /cannot write \/etc: a directory is there/, false)
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a"])
  assert.equal((await seen(container, "/run/secrets/a")).content, "old")
  assert.deepEqual(await namesIn(container, "/read-only"), [])
})

test(`many containers at once each get their own files`, async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const image = await shellImage()
  const ids = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      startContainer(t, image, idle, [secrets, `--name=${run}-many-${index}`]),
    ),
  )
  await Promise.all(ids.map((id) => copyTo(engine, id, [file("/run/secrets/id", id)])))
  for (const id of ids) {
    const container = await inspectContainer(engine, id, signal)
    assert.equal((await seen(container, "/run/secrets/id")).content, id)
  }
})
