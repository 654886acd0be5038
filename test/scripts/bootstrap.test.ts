import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { copyFile, lstat, mkdir, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { test, type TestContext } from "node:test"
import { pins } from "../../scripts/pinned-node.mjs"
import { oldNode, requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

const scripts = resolve(import.meta.dirname, "../../scripts")

/** A project with one dependency, on its own disk, and the pinned Node as if it had been brought before. */
async function project(t: TestContext): Promise<string> {
  const dir = await tempDir(t)
  const write = (path: string, value: object) => writeFile(join(dir, path), JSON.stringify(value))
  for (const folder of ["scripts", "part"]) await mkdir(join(dir, folder))
  for (const file of ["bootstrap.mjs", "pinned-node.mjs"])
    await copyFile(join(scripts, file), join(dir, "scripts", file))
  const dependencies = { part: "file:part" }
  await write("package.json", { name: "sample", version: "1.0.0", dependencies })
  await write("part/package.json", { name: "part", version: "1.0.0" })
  const packages = {
    "": { name: "sample", version: "1.0.0", dependencies },
    "node_modules/part": { resolved: "part", link: true },
    part: { version: "1.0.0" },
  }
  await write("package-lock.json", {
    name: "sample",
    version: "1.0.0",
    lockfileVersion: 3,
    requires: true,
    packages,
  })
  await mkdir(dirname(pinned(dir)), { recursive: true })
  await symlink(process.execPath, pinned(dir))
  return dir
}

const pinned = (dir: string) => join(dir, `.cache/node-${pins[24].version}/bin/node`)
const link = (dir: string) => join(dir, "node_modules/.bin/node")

/** Resolves with what it said. Runs as the host's Node: `npm` is found in the PATH, not given by a surrounding npm. */
async function bootstrap(dir: string, node: string = process.execPath): Promise<string> {
  const { npm_execpath: _npm, ...env } = process.env
  const { promise, resolve: done, reject } = Promise.withResolvers<string>()
  execFile(node, [join(dir, "scripts/bootstrap.mjs")], { env }, (error, stdout, stderr) => {
    if (error) reject(error)
    else done(stdout + stderr)
  })
  return promise
}

test("installs what the lock file names, then has nothing to do, until the lock file changes", async (t) => {
  const dir = await project(t)
  assert.match(await bootstrap(dir), /installing dependencies/)
  assert.ok(existsSync(join(dir, "node_modules/part/package.json")))
  assert.equal(existsSync(link(dir)), false, "a host with a good Node needs no other")
  assert.equal(await bootstrap(dir), "")
  await rm(join(dir, "node_modules/.package-lock.json"))
  assert.match(await bootstrap(dir), /installing dependencies/)
})

test("two at once: one works, the other waits, both succeed", async (t) => {
  const dir = await project(t)
  const said = (await Promise.all([bootstrap(dir), bootstrap(dir)])).join("")
  assert.equal(said.split("installing dependencies").length - 1, 1, said)
  assert.deepEqual(
    (await readdir(join(dir, ".cache"))).filter((name) => !name.startsWith("node-")),
    [],
  )
})

test("takes over from one that was killed", async (t) => {
  const dir = await project(t)
  // No process has this number: it is above the largest that Linux gives.
  await writeFile(join(dir, ".cache/bootstrap.lock"), "4194305")
  assert.match(await bootstrap(dir), /installing dependencies/)
  assert.equal(existsSync(join(dir, ".cache/bootstrap.lock")), false)
})

test("a host with an old Node gets the pinned one where npm scripts find it first", async (t) => {
  if (!(await requireService(t, "linux", "node18"))) return
  const dir = await project(t)
  assert.match(await bootstrap(dir, oldNode(18)), /installing dependencies/)
  assert.equal(resolve(dirname(link(dir)), await readlink(link(dir))), pinned(dir))
  const before = (await lstat(link(dir))).mtimeMs
  assert.equal(await bootstrap(dir, oldNode(18)), "")
  assert.equal((await lstat(link(dir))).mtimeMs, before)
})

test("a link that leads elsewhere is replaced, and survives a new installation", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const dir = await project(t)
  await mkdir(dirname(link(dir)), { recursive: true })
  await symlink("/nowhere", link(dir))
  assert.match(await bootstrap(dir), /installing dependencies/)
  assert.equal(resolve(dirname(link(dir)), await readlink(link(dir))), pinned(dir))
})
