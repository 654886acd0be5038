import { basename } from "node:path"
import { isPurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { watchFiles } from "../../state/watch-files.ts"
import { makeCaDirectory } from "../files.ts"
import type { Kind, RecordFiles } from "./records.ts"

/**
 * Calls `onChange` with the certificate's name after any process has issued, imported, requested or revoked something;
 * with undefined if the record is gone or damaged.
 */
export async function watchRecords(
  records: RecordFiles,
  onChange: (name: string | undefined) => void,
  log: Log,
): Promise<AsyncDisposable> {
  await using watchers = new AsyncDisposableStack()
  for (const kind of ["issued", "revoked", "requests"] as const) {
    const directory = records.directoryOf(kind)
    await makeCaDirectory(directory)
    const changed = (path: string): void => {
      const file = basename(path)
      if (!file.endsWith(".json")) return
      void nameOf(records, kind, file.slice(0, -".json".length)).then(onChange)
    }
    watchers.use(await watchFiles(directory, changed, log))
  }
  const all = watchers.move()
  return { [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Undefined for a record that is gone or damaged; the next read reports the damage. */
async function nameOf(records: RecordFiles, kind: Kind, id: string): Promise<string | undefined> {
  try {
    const found = kind === "requests" ? await records.request(id) : await records.record(id)
    return found?.name
  } catch (error) {
    if (isPurserError(error)) return undefined
    throw error
  }
}
