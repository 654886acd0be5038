import { sameText } from "../../../base/digest.ts"
import { PurserError, asPurserError, isPurserError } from "../../../base/errors.ts"
import { errorFields, type Log } from "../../../base/log.ts"
import { fileLineFor } from "../../../files/file-line.ts"
import { deliverFiles, type Fetched, type FilesResult } from "../../../rollout/deliver-files.ts"
import { removeStaleTemporaries } from "../../../files/stale-temporaries.ts"
import { runLocalReload } from "../../../rollout/reload.ts"
import type { Delivery } from "../../delivery/delivery.ts"
import type { AgentParts } from "../kind.ts"

/** One delivery into a directory beside the agent: the same writing as a node's, without a wire between. */

/** The same for an app's directory even if its configuration moves it. */
export function directoryKey(app: { readonly name: string }): string {
  return `${app.name} directory`
}

type Parts = Pick<AgentParts, "health" | "failedSets" | "reloadEnv" | "log">

/** Starts nothing where the app has no directory any more. */
export async function fillDirectory(delivery: Delivery, parts: Parts, signal: AbortSignal): Promise<void> {
  const { app } = delivery
  const { directory } = app
  if (directory === undefined) return
  delivery.start({ target: directory })
  const { files, lacking, required } = await fill(directory, delivery, parts, signal)
  for (const { line, status } of files) delivery.tell(line.name, status)
  if (lacking.length > 0) {
    throw new PurserError("ERR_DELIVERY", `not delivered into ${directory}: ${lacking.join(", ")}`, {
      hint: "purser check says what its source lacks; a file line may be optional",
    })
  }
  await parts.health.complete(directoryKey(app), required)
}

async function fill(
  directory: string,
  delivery: Delivery,
  { health, failedSets, reloadEnv, log }: Parts,
  signal: AbortSignal,
): Promise<FilesResult> {
  const { app, secrets } = delivery
  const place = { app: app.name, directory }
  // After a complete delivery an application may use the files.
  const inUse = health.isComplete(directoryKey(app))
  // An agent that was killed left them half-written.
  if (!inUse)
    await removeStaleTemporaries({ directory, ...(app.files === undefined ? {} : { files: app.files }) })
  const lines = app.files ?? (await secrets.names(signal)).map(fileLineFor)
  const fetch = async (secret: string, have: string | null): Promise<Fetched> => {
    const fetched = await read(secret, have, delivery, log, signal)
    const content = fetched.status === "sent" ? fetched.content : undefined
    await delivery.record({ ...place, secret }, { status: fetched.status, content })
    return fetched
  }
  return await deliverFiles(lines, fetch, {
    directory,
    inUse,
    ...(app.reload === undefined ? {} : { reload: app.reload }),
    ...(app.check === undefined
      ? {}
      : {
          check: {
            check: app.check,
            failed: { sets: failedSets, target: directoryKey(app) },
            onRolledBack: (names, error) => delivery.recordRollback(place, names, error),
          },
        }),
    runReload: (reload, limit) => runLocalReload(reload, limit, reloadEnv),
    requireTmpfs: app.requireTmpfs,
    log,
    signal,
  })
}

async function read(
  secret: string,
  have: string | null,
  { secrets }: Delivery,
  log: Log,
  signal: AbortSignal,
): Promise<Fetched> {
  try {
    const content = await secrets.read(secret, signal)
    if (content === null) return { status: "missing" }
    return have !== null && sameText(have, content.digest) ? { status: "match" } : { status: "sent", content }
  } catch (error) {
    const known = asPurserError(error)
    log.error(known.message, errorFields(known))
    return { status: isPurserError(error, "ERR_NOT_GRANTED") ? "denied" : "failed" }
  }
}
