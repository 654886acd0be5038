import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"

/**
 * Calls `onChange` with the absolute path of every file that is created, changed or deleted below `directory`. Resolves
 * once it watches. Later errors are only logged, because the agent also reads the files at every round.
 */
export async function watchFiles(
  directory: string,
  onChange: (path: string) => void,
  log: Log,
): Promise<AsyncDisposable> {
  const { watch } = await import("chokidar")
  const watcher = watch(directory, {
    ignoreInitial: true,
    followSymlinks: false,
    depth: 8,
    // Waits until a file that is written in place stops growing.
    awaitWriteFinish: { stabilityThreshold: 100, pollInterval: 25 },
  })
  watcher.on("all", (event, path) => {
    if (event !== "addDir") onChange(path)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  watcher.on("ready", resolve)
  watcher.on("error", (error) => {
    log.warn(`cannot watch ${directory}: ${reasonOf(error)}`, {
      hint: "changes are noticed at the next round",
    })
    resolve()
  })
  await promise
  return { [Symbol.asyncDispose]: () => watcher.close() }
}
