import assert from "node:assert/strict"
import { chmod, link, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import { constants } from "node:fs"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { openInRoot, readInRoot, descriptorPath } from "../../src/copy/container-root.ts"
import { open, type FileHandle } from "../../src/files/system-calls.ts"
import { purserError, run } from "../files/support.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

/** Tests the walk in directories that stand for a container's root, beside one that stands for the host's files. */

async function setUp(t: TestContext): Promise<{ root: FileHandle; inside: string; outside: string }> {
  const directory = await tempDir(t)
  const [inside, outside] = [join(directory, "root"), join(directory, "host")]
  await mkdir(join(inside, "run/secrets"), { recursive: true })
  await mkdir(outside)
  await writeFile(join(outside, "key"), "the host's")
  const root = await open(inside, constants.O_RDONLY | constants.O_DIRECTORY)
  t.after(() => root.close())
  return { root, inside, outside }
}

/** Returns the end of the walk as a path of the host. */
async function endOf(root: FileHandle, path: string): Promise<string> {
  await using place = await openInRoot(root, path)
  const { dev, ino } = await place.handle.stat()
  await writeFile(join(place.directory, "mark"), "")
  return `${dev}:${ino}`
}

async function idOf(path: string): Promise<string> {
  const { dev, ino } = await stat(path)
  return `${dev}:${ino}`
}

test("links are resolved as for the container, absolute ones from its root", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const { root, inside, outside } = await setUp(t)
  await mkdir(join(inside, "var"))
  await symlink("/run", join(inside, "var/run"))
  await symlink("../../../../run/./secrets/", join(inside, "var/up"))
  await symlink("var/up", join(inside, "chain"))
  await symlink("/", join(inside, "whole"))
  const secrets = await idOf(join(inside, "run/secrets"))
  for (const path of [
    "/run/secrets/key",
    "//run//secrets/key",
    "/var/run/secrets/key",
    "/var/up/key",
    "/chain/key",
    "/whole/whole/chain/key",
  ])
    assert.equal(await endOf(root, path), secrets, path)
  assert.equal(await endOf(root, "/key"), await idOf(inside))
  assert.equal(await endOf(root, "/whole/key"), await idOf(inside))
  assert.deepEqual(await readdir(outside), ["key"])
})

test("no link leads to the host's files", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const { root, inside, outside } = await setUp(t)
  await symlink(outside, join(inside, "absolute"))
  await symlink("../host", join(inside, "up"))
  await symlink("../".repeat(50) + outside.slice(1), join(inside, "far-up"))
  await symlink(`/proc/self/fd/${root.fd}/../host`, join(inside, "magic"))
  const links = ["absolute", "up", "far-up", "magic"]
  for (const link of links) {
    await assert.rejects(openInRoot(root, `/${link}/key`), purserError("ERR_TARGET", /it is not there/), link)
    assert.equal(await readInRoot(root, `/${link}/key`, 1000), null)
  }
  for (const link of links) {
    await using made = await openInRoot(root, `/${link}/key`, { beforeCreate: async () => {} })
    assert.ok((await idOf(made.directory)) !== (await idOf(outside)), link)
  }
  assert.deepEqual(await readdir(outside), ["key"])
  assert.ok(
    (await lstat(join(inside, outside))).isDirectory(),
    "made inside, where the link leads for its owner",
  )
})

test("circular links, endless paths and files in place of a directory are refused", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const { root, inside } = await setUp(t)
  const before = (await readdir("/proc/self/fd")).length
  await symlink("b", join(inside, "a"))
  await symlink("a", join(inside, "b"))
  await symlink(".", join(inside, "self"))
  await symlink("self/".repeat(30), join(inside, "much"))
  await writeFile(join(inside, "file"), "")
  await run("mkfifo", [join(inside, "fifo")])
  const refused = (path: string, message: RegExp) =>
    assert.rejects(
      openInRoot(root, path, { beforeCreate: async () => {} }),
      purserError("ERR_TARGET", message),
    )
  await refused("/a/key", /too many symbolic links/)
  await refused("/much/much/key", /too many symbolic links/)
  await refused(`/${"d/".repeat(200)}key`, /too many directories/)
  await refused("/file/key", /not a directory/)
  await refused("/fifo/key", /not a directory/)
  await refused("/run/../key", /dot segments/)
  await refused("/run/..", /dot segments/)
  await refused("run/key", /must be absolute/)
  assert.equal((await readdir("/proc/self/fd")).length, before, "no descriptor stays open")
})

test("missing directories are created with their parent's owner, and readable whatever our umask is", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const { root, inside } = await setUp(t)
  await run("chown", ["1000:1001", join(inside, "run/secrets")])
  await symlink("/run/secrets/not-there", join(inside, "dangling"))
  const asked: string[] = []
  const beforeCreate = async (below: FileHandle) => void asked.push(await idOf(descriptorPath(below)))
  const umask = process.umask(0o077)
  try {
    await using _ = await openInRoot(root, "/dangling/sub/key", { beforeCreate })
  } finally {
    process.umask(umask)
  }
  assert.deepEqual(asked, [await idOf(join(inside, "run/secrets"))])
  for (const path of ["run/secrets/not-there", "run/secrets/not-there/sub"]) {
    const { uid, gid, mode } = await lstat(join(inside, path))
    assert.deepEqual([uid, gid, mode & 0o777], [1000, 1001, 0o755], path)
  }
  await assert.rejects(
    openInRoot(root, "/run/other/key", { beforeCreate: () => Promise.reject(new Error("no")) }),
    purserError("ERR_TARGET", /no$/),
  )
  assert.deepEqual(await readdir(join(inside, "run")), ["secrets"])
})

test("only a regular file within the size limit is read", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const { root, inside, outside } = await setUp(t)
  await writeFile(join(inside, "names"), "root:x:0:0\n")
  await chmod(join(inside, "names"), 0o600)
  await link(join(inside, "names"), join(inside, "other-name"))
  await symlink(join(outside, "key"), join(inside, "link"))
  await run("mkfifo", [join(inside, "fifo")])
  assert.equal(await readInRoot(root, "/names", 1000), "root:x:0:0\n")
  assert.equal(await readInRoot(root, "/other-name", 1000), "root:x:0:0\n")
  for (const path of ["/link", "/fifo", "/run", "/nothing", "/nothing/there"])
    assert.equal(await readInRoot(root, path, 1000), null, path)
  assert.equal(await readInRoot(root, "/names", 10), null)
  assert.equal(await readFile(join(outside, "key"), "utf8"), "the host's")
})
