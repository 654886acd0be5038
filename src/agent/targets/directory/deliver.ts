import type { AuditLog } from "../../../audit/audit-log.ts"
import { sameText } from "../../../base/digest.ts"
import { PurserError, asPurserError, isPurserError } from "../../../base/errors.ts"
import { errorFields, type Log } from "../../../base/log.ts"
import { localHosts } from "../../../rollout/check.ts"
import { fileLineFor } from "../../../files/file-line.ts"
import { deliverFiles, type Fetched, type FilesResult } from "../../../rollout/deliver-files.ts"
import type { FailedSets } from "../../../rollout/failed-sets.ts"
import { removeStaleTemporaries } from "../../../rollout/pending-reload.ts"
import { runLocalReload } from "../../../rollout/reload.ts"
import type { AppConfig } from "../../../apps/config.ts"
import type { AgentEvent, DeliveryEvent } from "../../delivery/events.ts"
import type { GrantedSecrets } from "../../delivery/granted.ts"

/**
 * A directory beside the agent, most often a tmpfs volume that another
 * container mounts: the same writing as a node's, without a wire between.
 */

export interface DirectoryDelivery {
  app: AppConfig
  directory: string
  secrets: GrantedSecrets
  /** Environment of `exec:` reloads. */
  reloadEnv: NodeJS.ProcessEnv
  /** An earlier delivery was complete, so somebody may use the files. */
  inUse: boolean
  held: FailedSets
  audit: AuditLog
  log: Log
  onEvent: (event: AgentEvent) => void
}

/** Never rejects: what went wrong is in the event. `required` are the absolute paths of the files that must be there. */
export async function deliverToDirectory(
  options: DirectoryDelivery,
  signal: AbortSignal,
): Promise<{ event: DeliveryEvent; required: readonly string[] }> {
  const { app, directory, onEvent } = options
  const begun = performance.now()
  const of = { app: app.name, target: directory }
  onEvent({ type: "start", ...of })
  let result: FilesResult | undefined
  let error: PurserError | undefined
  try {
    result = await fill(options, signal)
    for (const { line, status } of result.files) onEvent({ type: "file", ...of, secret: line.name, status })
    if (result.lacking.length > 0) {
      error = new PurserError(
        "ERR_DELIVERY",
        `not delivered into ${directory}: ${result.lacking.join(", ")}`,
        {
          hint: "purser check says what its source lacks; a file line may be optional",
        },
      )
    }
  } catch (thrown) {
    error = asPurserError(thrown)
  }
  const count = (status: Fetched["status"]): number =>
    result?.files.filter((file) => file.status === status).length ?? 0
  const event: DeliveryEvent = {
    type: "delivery",
    ...of,
    status: error === undefined ? "ok" : "failed",
    sent: count("sent"),
    matched: count("match"),
    missing: result?.missing ?? 0,
    durationMs: Math.round(performance.now() - begun),
    ...(error === undefined ? {} : { error }),
  }
  return { event, required: result?.required ?? [] }
}

async function fill(options: DirectoryDelivery, signal: AbortSignal): Promise<FilesResult> {
  const { app, directory, secrets, audit, log, reloadEnv, inUse, held } = options
  // What an agent that was killed left half-written.
  if (!inUse)
    await removeStaleTemporaries({ directory, ...(app.files === undefined ? {} : { files: app.files }) })
  const lines = app.files ?? (await secrets.names(signal)).map(fileLineFor)

  const fetch = async (name: string, have: string | null): Promise<Fetched> => {
    const fetched = await read(name, have)
    if (fetched.status !== "match") {
      const what = { app: app.name, directory, secret: name }
      await audit.append(
        fetched.status === "sent"
          ? { kind: "delivered", ...what, content: audit.contentTag(fetched.content) }
          : { kind: fetched.status, ...what },
      )
    }
    return fetched
  }
  const read = async (name: string, have: string | null): Promise<Fetched> => {
    try {
      const content = await secrets.read(name, signal)
      if (content === null) return { status: "missing" }
      return have !== null && sameText(have, content.digest)
        ? { status: "match" }
        : { status: "sent", content }
    } catch (error) {
      const known = asPurserError(error)
      log.error(known.message, errorFields(known))
      return { status: isPurserError(error, "ERR_NOT_GRANTED") ? "denied" : "failed" }
    }
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
            hosts: localHosts,
            held,
            target: `${app.name} directory`,
            async onRolledBack(names, error) {
              const reason = error.message
              await audit.append({
                kind: "rolled-back",
                app: app.name,
                directory,
                files: names.join(" "),
                reason,
              })
            },
          },
        }),
    runReload: (reload, limit) => runLocalReload(reload, limit, reloadEnv),
    requireTmpfs: app.requireTmpfs,
    log,
    signal,
  })
}
