import { readdir, readFile, stat } from "node:fs/promises"
import { homedir } from "node:os"
import { join, relative } from "node:path"
import type { TestContext } from "node:test"
import { systemErrorCode } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { copyInto, type CopyOptions, type CopyResult } from "../../src/copy/copy.ts"
import { openReadBack } from "../../src/copy/read-back.ts"
import type { Copied, FileToCopy, RouteTask } from "../../src/copy/route.ts"
import { routes, type RouteName } from "../../src/copy/routes.ts"
import { procRoute } from "../../src/copy/routes/proc.ts"
import { inspectContainer } from "../../src/docker/containers.ts"
import { connectEngine, type Engine } from "../../src/docker/engine.ts"
import type { ContainerDetails } from "../../src/docker/container-details.ts"

/** Copies into containers of the tests' own, and shows what is left there. */

const signal = new AbortController().signal

export async function openEngine(t: TestContext): Promise<Engine> {
  const engine = await connectEngine({ env: process.env, home: homedir(), signal })
  t.after(() => engine[Symbol.asyncDispose]())
  return engine
}

export function file(
  path: string,
  content: string | Uint8Array,
  extra: Partial<FileToCopy> = {},
): FileToCopy {
  return { path, content: new Secret(content), mode: 0o400, ...extra }
}

/** Copies by one route, which must find the target in memory. */
export function copyBy(route: RouteName) {
  return async (
    engine: Engine,
    id: string,
    files: readonly FileToCopy[],
    extra: Partial<CopyOptions> = {},
  ): Promise<CopyResult> => {
    const options = { route, requireTmpfs: true, log: silentLog, signal, ...extra }
    return await copyInto(engine, await inspectContainer(engine, id, signal), files, options)
  }
}

export async function taskFor(
  engine: Engine,
  id: string,
  files: readonly FileToCopy[],
  extra: Partial<RouteTask> = {},
): Promise<RouteTask> {
  const query = { engine, container: await inspectContainer(engine, id, signal), files, signal }
  return {
    ...query,
    requireTmpfs: true,
    log: silentLog,
    beforeChange: async () => {},
    openReadBack: (owners) => openReadBack(query, owners, routes),
    ...extra,
  }
}

export async function copyTo(
  engine: Engine,
  id: string,
  files: readonly FileToCopy[],
  extra: Partial<RouteTask> = {},
): Promise<Copied> {
  return await procRoute.copy(await taskFor(engine, id, files, extra))
}

/** Reads a file through the process's root, for containers that do not attack the walk. */
export async function seen(
  { state }: ContainerDetails,
  path: string,
): Promise<{ content: string; mode: string; owner: string }> {
  const at = join(`/proc/${state.pid}/root`, path)
  const { mode, uid, gid } = await stat(at)
  return {
    content: await readFile(at, "utf8"),
    mode: (mode & 0o7777).toString(8),
    owner: `${uid}:${gid}`,
  }
}

/** Walks a tree without following links. */
export async function namesIn({ state }: ContainerDetails, directory: string): Promise<string[]> {
  const top = join(`/proc/${state.pid}/root`, directory)
  for (let left = 10; ; left--) {
    try {
      const entries = await readdir(top, { recursive: true, withFileTypes: true })
      return entries.map(({ parentPath, name }) => relative(top, join(parentPath, name))).sort()
    } catch (error) {
      // The directory was removed during the walk.
      if (left === 0 || systemErrorCode(error) !== "ENOENT") throw error
    }
  }
}
