import assert from "node:assert/strict"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { shellImage } from "./base-image.ts"
import { cleanUp, docker, labels } from "./docker.ts"
import {
  assertContainerIsClean,
  engineDataVariable,
  filesSince,
  findMarkersOfRun,
  markersFileVariable,
} from "./engine-sweep.ts"
import { createMarker } from "./leaks.ts"
import { requireService } from "./services.ts"
import { tempDir } from "./temp.ts"
import { waitFor } from "./wait.ts"

after(cleanUp)

/** A list of markers of this test's own: what it plants is not to be found by the whole run's sweep. */
async function ownList(t: TestContext): Promise<string> {
  const before = [markersFileVariable, engineDataVariable].map((name) => [name, process.env[name]] as const)
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  const file = join(await tempDir(t), "markers")
  await writeFile(file, "")
  process.env[markersFileVariable] = file
  return file
}

test("every marker is written down but those that are planted, and found with its test file's name", async (t) => {
  const list = await ownList(t)
  const [first, second, planted] = [createMarker(), createMarker(), createMarker({ planted: true })]
  assert.deepEqual((await readFile(list, "utf8")).match(/leak-\S+/g), [first, second])
  assert.deepEqual(findMarkersOfRun([{ name: "a log", content: planted }]), [])
  const [found = ""] = findMarkersOfRun([{ name: "a log", content: `x${second}` }])
  assert.equal(found, "a log: marker 2 as text, of test/support/engine-sweep.test.ts")
})

test("looks at what changed since, and leaves out what it is told to", async (t) => {
  const dir = await tempDir(t)
  await mkdir(join(dir, "left-out"))
  for (const name of ["file", "left-out/file"]) await writeFile(join(dir, name), "content")
  const names = async (sinceMs: number): Promise<string[]> =>
    (await filesSince([dir], sinceMs, new Set([join(dir, "left-out")]))).map(({ name }) => name)
  assert.deepEqual(await names(0), [`names in ${dir}`, join(dir, "file")])
  assert.deepEqual(await names(Date.now() + 60_000), [`names in ${dir}`])
})

test("finds a marker in a container's layer, log, configuration and volume, and none in its memory", async (t) => {
  if (!(await requireService(t, "docker", "root", "busybox"))) return
  await ownList(t)
  process.env[engineDataVariable] = await docker(["info", "--format={{.DockerRootDir}}"])
  const image = await shellImage()
  const start = async (script: string, ...options: string[]): Promise<string> => {
    const command = ["sh", "-c", `${script}; echo done; exec sleep 300`]
    const id = await docker(["run", "--detach", "--init", ...labels, ...options, image, ...command])
    t.after(() => docker(["rm", "--force", "--volumes", id]))
    return id
  }
  const marker = createMarker()
  const write = (path: string): string => `cat > ${path}`
  const clean = await start("true", "--tmpfs=/memory")
  await docker(["exec", "-i", clean, "sh", "-c", write("/memory/x")], { input: marker })
  await assertContainerIsClean(clean)

  const dirty = await start("true", "--volume=/volume")
  for (const [path, place] of [
    ["/x", /overlay2\/.*\/x: marker 1 as text/],
    ["/volume/x", /volumes\/.*\/x: marker 1 as text/],
    ["/proc/1/fd/1", /-json\.log: marker 1 as text/],
  ] as const) {
    await docker(["exec", "-i", dirty, "sh", "-c", write(path)], { input: `${marker}\n` })
    // The engine writes logs when it comes to it.
    if (path === "/proc/1/fd/1")
      await waitFor("the log", async () => (await docker(["logs", dirty])).includes(marker))
    await assert.rejects(assertContainerIsClean(dirty), place)
  }
  const asked = await start("true", `--env=PASSWORD=${marker}`)
  await assert.rejects(assertContainerIsClean(asked), /config\.v2\.json: marker 1 as text/)
})
