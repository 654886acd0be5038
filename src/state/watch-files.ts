import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"

/**
 * Calls back with the absolute path of whatever appeared, changed or went below `directory`. Resolves once it
 * watches; what goes wrong later is logged, since the files are read again at every round anyway.
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
    // A file that is being written in place is not read in the middle of it.
    awaitWriteFinish: { stabilityThreshold: 100, pollInterval: 25 },
  })
  watcher.on("all", (event, path) => {
    if (event !== "addDir") onChange(path)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  watcher.on("ready", resolve)
  watcher.on("error", (error) => {
    log.warn(`cannot watch ${directory}: ${reasonOf(error)}`, { hint: "it is read again at every round" })
    resolve()
  })
  await promise
  return { [Symbol.asyncDispose]: () => watcher.close() }
}
