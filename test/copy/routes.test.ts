import assert from "node:assert/strict"
import { chmod, readFile, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { after, test, type TestContext } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { copyInto } from "../../src/copy/copy.ts"
import { oldFile } from "../../src/copy/old-file.ts"
import { readOld } from "../../src/copy/old-files.ts"
import { openReadBack } from "../../src/copy/read-back.ts"
import { removeFrom } from "../../src/copy/remove-files.ts"
import type { FileToCopy, Route, RouteQuery } from "../../src/copy/route.ts"
import { routes } from "../../src/copy/routes.ts"
import { inspectContainer } from "../../src/docker/containers.ts"
import { purserError } from "../files/support.ts"
import { shellImage } from "../support/base-image.ts"
import { cleanUp, docker, startContainer } from "../support/docker.ts"
import { createMarker } from "../support/leaks.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { file, openEngine } from "./support.ts"

after(cleanUp)

const one = createMarker()
const { signal } = new AbortController()
const owner = { uid: 0, gid: 0 }

/** A route that Purser does not have, through a directory of the host: one object, and one element of the list. */
function sharedRoute(directory: string, extra: Partial<Route> = {}): Route {
  const onHost = (path: string): string => join(directory, path.slice("/shared/".length))
  const applies = ({ files }: RouteQuery): boolean => files.every(({ path }) => path.startsWith("/shared/"))
  return {
    name: "shared",
    isAutomatic: true,
    way: "through a directory of this host",
    startsProcess: false,
    whyNot: async (query) => (applies(query) ? null : "it is not shared"),
    async copy(task) {
      const paths = task.files.map(({ path }) => path)
      await task.beforeChange()
      await using back = await task.openReadBack([owner])
      for (const { path, content, mode } of task.files) {
        await writeFile(onHost(path), content.reveal())
        await chmod(onHost(path), mode)
        assert.equal((await back.look(path, content, owner))?.same, true)
      }
      return { written: paths, replaced: [], unchanged: [] }
    },
    openReadBack: async (query) =>
      applies(query)
        ? {
            how: "read back on this host",
            async look(path, content) {
              const same = (await readFile(onHost(path))).equals(content.reveal())
              return { same, mode: 0o400, ...owner }
            },
            async [Symbol.asyncDispose]() {},
          }
        : null,
    async readOld(query) {
      if (!applies(query)) return null
      const found = query.files.map(async ({ path }) => {
        const content = await readFile(onHost(path))
        return [path, oldFile(path, content, { mode: 0o400, ...owner })] as const
      })
      return new Map(await Promise.all(found))
    },
    async remove(query, paths) {
      if (!applies({ ...query, files: paths.map((path) => file(path, "")) })) return false
      for (const path of paths) await rm(onHost(path))
      return true
    },
    ...extra,
  }
}

async function started(t: TestContext) {
  const directory = await tempDir(t)
  const id = await startContainer(
    t,
    await shellImage(),
    ["sleep", "600"],
    [`--volume=${directory}:/shared`, "--tmpfs=/run/secrets"],
  )
  const engine = await openEngine(t)
  const container = await inspectContainer(engine, id, signal)
  const query = (files: readonly FileToCopy[]): RouteQuery => ({ engine, container, files, signal })
  const copy = (files: readonly FileToCopy[], route: Route) =>
    copyInto(engine, container, files, { requireTmpfs: true, log: silentLog, signal }, [route, ...routes])
  return { directory, engine, id, query, copy }
}

test("another route is chosen in its turn, and writes, reads back, keeps and removes", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { directory, query, copy } = await started(t)
  const shared = sharedRoute(directory)
  const files = [file("/shared/a", one)]
  const { route, why, written } = await copy(files, shared)
  assert.deepEqual([route, written], ["shared", ["/shared/a"]])
  assert.equal(why, "shared: through a directory of this host")
  const all = [shared, ...routes]
  assert.equal((await readOld(query(files), all)).get("/shared/a")?.content.revealText(), one)
  await using back = await openReadBack(query(files), [owner], all)
  assert.equal(back.how, "read back on this host")
  await removeFrom(query(files), ["/shared/a"], all)
  await assert.rejects(readFile(join(directory, "a")), { code: "ENOENT" })
})

test("if another route is unsuitable, or turns out so, the next one is used, with the reason", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { directory, id, query, copy } = await started(t)
  const shared = sharedRoute(directory)
  const files = [file("/run/secrets/a", one)]
  const { route, why, skipped } = await copy(files, shared)
  assert.deepEqual([route, skipped], ["proc", [{ route: "shared", why: "it is not shared" }]])
  assert.equal(why, "proc: through its process's root (not shared: it is not shared)")
  assert.equal(
    (await readOld(query(files), [shared, ...routes])).get("/run/secrets/a")?.content.revealText(),
    one,
  )
  await removeFrom(query(files), ["/run/secrets/a"], [shared, ...routes])
  assert.equal(await docker(["exec", id, "ls", "/run/secrets"]), "")
})

test("another route that starts something is not tried in a paused container, which the error names", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { directory, engine, id } = await started(t)
  const copy = () => assert.fail("a paused container was touched")
  const shared = sharedRoute(directory, { startsProcess: true, copy })
  await docker(["pause", id])
  try {
    const paused = await inspectContainer(engine, id, signal)
    const options = { route: shared, requireTmpfs: true, log: silentLog, signal }
    await assert.rejects(
      copyInto(engine, paused, [file("/shared/a", one)], options),
      purserError("ERR_CONTAINER_PAUSED", /is paused/),
    )
  } finally {
    await docker(["unpause", id])
  }
})

test("the documentation has a row for each route, in the order in which they are tried", async () => {
  const text = await readFile(resolve(import.meta.dirname, "../../docs/copy.md"), "utf8")
  const [, table = ""] = /^## The routes\n([^]*?)^## /m.exec(text) ?? []
  const rows = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)
  assert.deepEqual(
    rows,
    routes.map(({ name }) => name),
  )
})
