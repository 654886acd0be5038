import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { after, test, type TestContext } from "node:test"
import { isPurserError } from "../../../src/base/errors.ts"
import { inspectContainer } from "../../../src/docker/containers.ts"
import { mounted, purserError } from "../../files/support.ts"
import { nodeImage, shellImage, shelllessImage } from "../../support/base-image.ts"
import { cleanUp, docker, startContainer, tmpfsVolume } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"
import { copyTo, file, namesIn, openEngine, seen } from "../support.ts"

/** Tests the route through `/proc/PID/root` on containers that attack the host's files or Purser. */

after(cleanUp)

const { signal } = new AbortController()
const idle = ["sleep", "600"]

/**
 * A directory in the host's memory whose path leads to no tmpfs in the container, so that only the walk keeps us out of
 * it.
 */
async function hostDirectory(t: TestContext): Promise<string> {
  const directory = await mounted(t, "-t", "tmpfs", "none")
  await mkdir(`${directory}/sub`)
  await writeFile(`${directory}/key`, "the host's", { mode: 0o600 })
  return directory
}

test("links to the host's files, absolute ones and with .., do not reach them", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const host = await hostDirectory(t)
  const id = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets"])
  const plant = [
    `ln -s ${host} absolute`,
    `ln -s ../../../../../../../../..${host} up`,
    `ln -s /proc/1/root${host} magic`,
    `ln -s /proc/1/cwd/../../../..${host} cwd`,
    `ln -s ${host}/key key`,
    `ln -s ../../../../../../../../..${host}/new dangling`,
  ]
  await docker(["exec", "--workdir=/run/secrets", id, "sh", "-ec", plant.join("\n")])
  for (const link of ["absolute", "up", "magic", "cwd"]) {
    const task = copyTo(engine, id, [file(`/run/secrets/${link}/new`, "secret")])
    // In the container that path lies on the container's own layer.
    await assert.rejects(task, purserError("ERR_DISK", /would lie on a disk/), link)
  }
  for (const link of ["key", "dangling"]) {
    const task = copyTo(engine, id, [file(`/run/secrets/${link}`, "secret")])
    await assert.rejects(task, purserError("ERR_TARGET", /a symbolic link is there/), link)
  }
  const there = await docker(["exec", id, "sh", "-c", `ls ${host} 2>&1 || true`])
  assert.match(there, /No such file/, "nothing was made in the container's own layer either")
  assert.deepEqual((await readdir(host)).sort(), ["key", "sub"])
  assert.equal(await readFile(`${host}/key`, "utf8"), "the host's")
  const container = await inspectContainer(engine, id, signal)
  assert.equal((await namesIn(container, "/run/secrets")).length, plant.length)
})

test("swapping a directory for a link during 1,000 writes redirects none of them", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const host = await hostDirectory(t)
  const swap = `
    const { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } = require("node:fs")
    process.chdir("/run/secrets")
    mkdirSync("real/sub", { recursive: true })
    const links = ["${host}", "../../..${host}", "/proc/1/root${host}"]
    for (const [index, link] of links.entries()) symlinkSync(link, "link" + index)
    writeFileSync("ready", "")
    for (let round = 0; ; round++) {
      for (const name of ["real", "link" + (round % links.length)]) {
        try {
          renameSync(name, "app")
          renameSync("app", name)
        } catch {
          // The writer created it while it was missing.
          try { rmSync("app", { recursive: true, force: true }) } catch {}
        }
      }
    }`
  const command = ["/usr/local/bin/node", "-e", swap]
  const id = await startContainer(t, await shelllessImage(), command, ["--tmpfs=/run/secrets"])
  const container = await inspectContainer(engine, id, signal)
  await waitFor("the swapping", () => existsSync(`/proc/${container.state.pid}/root/run/secrets/ready`))
  const marker = createMarker()
  let written = 0
  let refused = 0
  for (let round = 0; round < 1000; round++) {
    const path = ["/run/secrets/app/key", "/run/secrets/app/sub/new"][round % 2] ?? ""
    try {
      await copyTo(engine, id, [file(path, `${marker} ${round}`)])
      written++
    } catch (error) {
      if (!isPurserError(error) || !["ERR_DISK", "ERR_TARGET", "ERR_NOT_VERIFIED"].includes(error.code))
        throw error
      refused++
    }
    if (round % 100 === 99) assert.deepEqual((await readdir(host)).sort(), ["key", "sub"])
  }
  t.diagnostic(`${written} written, ${refused} refused`)
  assert.ok(refused > 0, "the container swapped nothing while we wrote")
  assert.deepEqual((await readdir(host, { recursive: true })).sort(), ["key", "sub"])
  assert.equal(await readFile(`${host}/key`, "utf8"), "the host's")
  assert.equal((await stat(`${host}/key`)).mode & 0o777, 0o600)
  const layer = await docker(["diff", id])
  assert.ok(!layer.includes(host), "nor in the container's own layer")
})

test("planted FIFOs, devices, sockets and directories are refused, at once and without being opened", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  // A volume, because the engine disables devices on --tmpfs.
  const volume = await tmpfsVolume("devices")
  // Opening a watchdog may reboot the host, so these device numbers are unassigned.
  const plant = `cd /run/secrets; mkfifo fifo way; mknod character c 241 77; mknod block b 241 77; mkdir directory
    exec node -e 'require("net").createServer().listen("socket")'`
  const id = await startContainer(
    t,
    await nodeImage(),
    ["sh", "-ec", plant],
    [`--volume=${volume}:/run/secrets`],
  )
  const container = await inspectContainer(engine, id, signal)
  await waitFor("the plants", async () => (await namesIn(container, "/run/secrets")).includes("socket"))
  const before = await namesIn(container, "/run/secrets")
  for (const [leaf, kind] of [
    ["fifo", "a FIFO"],
    ["character", "a device"],
    ["block", "a device"],
    ["directory", "a directory"],
    ["socket", "a socket"],
    ["way/key", "part of the path"],
  ] as const) {
    const task = copyTo(engine, id, [file(`/run/secrets/${leaf}`, "secret")])
    // Opening such a device would fail with ENXIO, which gives another error code.
    await assert.rejects(task, purserError("ERR_TARGET", new RegExp(kind)), leaf)
  }
  assert.deepEqual(await namesIn(container, "/run/secrets"), before)
})

test("a planted hard link is replaced, and its other name keeps the old content", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets"])
  const plant = "echo -n mine > other; chmod 600 other; ln other key; echo -n secret > same; ln same again"
  await docker(["exec", "--workdir=/run/secrets", id, "sh", "-ec", plant])
  const options = { owner: "1000:1000" }
  const files = [file("/run/secrets/key", "secret", options), file("/run/secrets/again", "secret", options)]
  assert.deepEqual((await copyTo(engine, id, files)).replaced, ["/run/secrets/key"])
  const container = await inspectContainer(engine, id, signal)
  assert.deepEqual(await seen(container, "/run/secrets/other"), {
    content: "mine",
    mode: "600",
    owner: "0:0",
  })
  assert.equal((await seen(container, "/run/secrets/same")).owner, "0:0")
  for (const name of ["key", "again"])
    assert.deepEqual(await seen(container, `/run/secrets/${name}`), {
      content: "secret",
      mode: "400",
      owner: "1000:1000",
    })
})

test("a concurrent change of a file is detected", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets"])
  for (const [command, found] of [
    ["mv sub gone; mkdir sub", "is not there"],
    ["mv sub gone; mkdir sub; echo -n other > sub/key", "has other content"],
    ["mv sub gone; mkdir sub; echo -n secret > sub/key; chmod 604 sub/key", "has another mode"],
    [
      "mv sub gone; mkdir sub; echo -n secret > sub/key; chmod 400 sub/key; chown 5 sub/key",
      "has another owner",
    ],
    ["mv sub gone; ln -s /etc sub", "is not there"],
    // The staged file itself is changed, so that another is then renamed.
    ["cd sub; for file in .purser-*; do rm $file; echo -n other > $file; done", "has other content"],
    ["cd sub; for file in .purser-*; do rm $file; mkfifo $file; done", "is not there"],
  ] as const) {
    const beforeChange = async () =>
      void (await docker(["exec", "--workdir=/run/secrets", id, "sh", "-ec", command]))
    const task = copyTo(engine, id, [file("/run/secrets/sub/key", "secret")], { beforeChange })
    await assert.rejects(
      task,
      purserError("ERR_NOT_VERIFIED", new RegExp(`/run/secrets/sub/key ${found}`)),
      command,
    )
    await docker(["exec", id, "sh", "-c", "rm -rf /run/secrets/*"])
  }
})
