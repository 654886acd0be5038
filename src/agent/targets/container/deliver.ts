import { posix } from "node:path"
import type { AuditLog } from "../../../audit/audit-log.ts"
import { PurserError, asPurserError, isPurserError, reasonOf } from "../../../base/errors.ts"
import { errorFields, type Log } from "../../../base/log.ts"
import type { Secret } from "../../../base/secret.ts"
import { deployToContainer } from "../../../copy/deploy.ts"
import { reloadContainer } from "../../../copy/reload.ts"
import type { FileToCopy } from "../../../copy/route.ts"
import { inspectContainer } from "../../../docker/containers.ts"
import type { Engine } from "../../../docker/engine.ts"
import { isCheckFailure } from "../../../rollout/check.ts"
import { checkPaths, defaultDirectory, fileLineFor, type FileLine } from "../../../files/file-line.ts"
import type { FailedSets } from "../../../rollout/failed-sets.ts"
import { formatReload } from "../../../rollout/reload.ts"
import type { Member } from "../../../apps/containers/membership.ts"
import type { ReportedOnce } from "./reported-once.ts"
import type { AgentEvent, DeliveryEvent, FileStatus } from "../../delivery/events.ts"
import type { GrantedSecrets } from "../../delivery/granted.ts"
import type { ContainerStart, ContainerStarts } from "../../../state/container-starts.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"

/**
 * One delivery into one running container: the granted secrets, by whatever route is right, and then the reload.
 * A reload is noted in the state before the first file changes, for this start of this container.
 */

export interface ContainerDelivery {
  member: Member
  /** Just inspected. Nothing but its full id leads to it. */
  container: ContainerDetails
  engine: Engine
  secrets: GrantedSecrets
  starts: ContainerStarts
  told: ReportedOnce
  held: FailedSets
  /** After a restart that was its reload deliver once more, since nobody hears of its start. */
  isOnce: boolean
  audit: AuditLog
  log: Log
  onEvent: (event: AgentEvent) => void
}

interface Counts {
  sent: number
  matched: number
  missing: number
}

/** Paths. */
interface Written {
  readonly written: readonly string[]
  readonly replaced: readonly string[]
}

/** What of it is in place, or why not. */
interface Fetched {
  readonly line: FileLine
  readonly content: Secret | null
  readonly status: FileStatus
}

/** Never rejects: what went wrong is in the event. */
export async function deliverToContainer(
  options: ContainerDelivery,
  signal: AbortSignal,
): Promise<DeliveryEvent> {
  const { member, container, onEvent } = options
  const begun = performance.now()
  const of = { app: member.app.name, target: container.name, container: container.id }
  onEvent({ type: "start", ...of })
  const counts: Counts = { sent: 0, matched: 0, missing: 0 }
  let error: PurserError | undefined
  try {
    await deliver(options, counts, signal)
  } catch (thrown) {
    error = explained(asPurserError(thrown), options)
  }
  return {
    type: "delivery",
    ...of,
    status: error === undefined ? "ok" : "failed",
    ...counts,
    durationMs: Math.round(performance.now() - begun),
    ...(error === undefined ? {} : { error }),
  }
}

async function deliver(options: ContainerDelivery, counts: Counts, signal: AbortSignal): Promise<void> {
  const { member, container, starts } = options
  const { reload } = member
  const start: ContainerStart = {
    app: member.app.name,
    id: container.id,
    startedAt: container.state.startedAt,
  }
  const before = starts.find(start)
  const lines = member.files ?? (await options.secrets.names(signal)).map(fileLineFor)
  checkPaths(lines, defaultDirectory)
  const fetched = await Promise.all(lines.map((line) => fetch(line, options, signal)))
  const lacking = fetched.filter(({ line, content }) => content === null && !line.optional)
  const isComplete = lacking.length === 0 || before.isComplete
  let isCopied = false
  const onCopied = async ({ replaced, written }: Written): Promise<boolean> => {
    isCopied = true
    tell(fetched, written, options, counts)
    // While nobody can have used the files of this start, those that were not there before need no reload.
    const isDue =
      before.pendingReload !== null || replaced.length > 0 || (before.isComplete && written.length > 0)
    const pendingReload = reload !== undefined && isDue ? formatReload(reload) : null
    const now = starts.find(start)
    if (now.isComplete !== isComplete || now.pendingReload !== pendingReload)
      starts.remember(start, { isComplete, pendingReload })
    return reload === undefined ? replaced.length > 0 : pendingReload !== null
  }
  const { reloaded } = await copy(fetched, start, { ...options, onCopied }, signal).catch(
    async (thrown: unknown) => {
      if (!isCopied) await payInSpite(thrown, start, options, signal)
      // Reloaded it was, and again with the old files.
      else if (isCheckFailure(thrown)) starts.clearReload(start)
      throw thrown
    },
  )
  if (reloaded) {
    starts.clearReload(start)
    if (reload?.kind === "restart" && options.isOnce) await deliverAgain(options, signal)
  }
  if (lacking.length > 0) {
    throw new PurserError(
      "ERR_DELIVERY",
      `not delivered into ${container.name}: ${lacking.map(({ line }) => line.name).join(", ")}`,
      { hint: "purser check says what its source lacks; a file line may be optional" },
    )
  }
}

/** Its secrets went with the start that the restart has ended. */
async function deliverAgain(options: ContainerDelivery, signal: AbortSignal): Promise<void> {
  const container = await inspectContainer(options.engine, options.container.id, signal)
  await deliver({ ...options, container, isOnce: false }, { sent: 0, matched: 0, missing: 0 }, signal)
}

async function fetch(
  line: FileLine,
  { secrets, member, container, told, audit, log }: ContainerDelivery,
  signal: AbortSignal,
): Promise<Fetched> {
  const { name } = line
  const what = `${member.app.name} ${name}`
  let status: FileStatus = "missing"
  try {
    const content = await secrets.read(name, signal)
    if (content !== null) {
      told.note(container.id, what)
      return { line, content, status: "match" }
    }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = asPurserError(thrown)
    status = isPurserError(error, "ERR_NOT_GRANTED") ? "denied" : "failed"
    if (told.isNew(container.id, `${what}: error`, error.message))
      log.error(error.message, errorFields(error))
  }
  if (told.isNew(container.id, what, `${status} ${container.state.startedAt}`))
    await audit.append({ kind: status, app: member.app.name, ...nameOf(container), secret: name })
  return { line, content: null, status }
}

function nameOf({ id, name }: ContainerDetails): { container: string; name: string } {
  return { container: id, name }
}

async function copy(
  fetched: readonly Fetched[],
  start: ContainerStart,
  {
    member,
    container,
    engine,
    starts,
    told,
    held,
    audit,
    log,
    onCopied,
  }: ContainerDelivery & { onCopied: (copied: Written) => Promise<boolean> },
  signal: AbortSignal,
): Promise<{ reloaded: boolean }> {
  const there = fetched.flatMap(({ line, content }) => {
    if (content === null) return []
    const path = pathIn(line)
    const { mode, owner } = line
    const file: FileToCopy = { path, content, mode, ...(owner === undefined ? {} : { owner }) }
    const tag = audit.contentTag(content)
    const what = `${start.app} ${line.name} at ${path}`
    return [{ secret: line.name, file, tag, what, value: `${tag} ${start.startedAt}` }]
  })
  const { reload, check } = member
  if (there.length === 0) {
    const isDue = await onCopied({ written: [], replaced: [] })
    if (isDue && reload !== undefined) await reloadContainer(engine, container, reload, signal)
    return { reloaded: isDue && reload !== undefined }
  }
  const audited = new Set<(typeof there)[number]>()
  const writeDown = async (these: typeof there): Promise<void> => {
    for (const one of these) audited.add(one)
    const of = { kind: "delivered", app: start.app, ...nameOf(container) } as const
    await Promise.all(these.map(({ secret, tag: content }) => audit.append({ ...of, secret, content })))
  }
  const files = there.map(({ file }) => file)
  const { reloaded } = await deployToContainer(engine, container, files, {
    ...(reload === undefined ? {} : { reload }),
    checks: check === undefined ? [] : [check],
    // Another start has other memory, and is another try.
    held: { sets: held, target: `${start.app} ${start.id} ${start.startedAt}` },
    async onRolledBack(paths, error) {
      const of = { kind: "rolled-back", app: start.app, ...nameOf(container) } as const
      // What lies there is no longer what was noted.
      for (const { what } of there) told.note(container.id, what)
      await audit.append({ ...of, files: paths.join(" "), reason: error.message })
    },
    requireTmpfs: member.app.containers?.requireTmpfs ?? true,
    log,
    signal,
    async beforeChange() {
      if (reload !== undefined) {
        const { isComplete } = starts.find(start)
        starts.remember(start, { isComplete, pendingReload: formatReload(reload) })
      }
      // Before it can be read. What was delivered to this start and is as it was most likely lies there still.
      await writeDown(there.filter(({ what, value }) => !told.has(container.id, what, value)))
    },
    async onCopied(copied) {
      log.debug(`${start.app} ${container.name}: ${copied.why}`)
      for (const { what, value } of there) told.note(container.id, what, value)
      // Those that somebody had removed or changed there.
      const written = new Set(copied.written)
      await writeDown(there.filter((one) => written.has(one.file.path) && !audited.has(one)))
      return await onCopied(copied)
    },
  })
  return { reloaded }
}

/** In the container, whatever system we are on. */
function pathIn({ name, path = name }: FileLine): string {
  return posix.isAbsolute(path) ? posix.normalize(path) : posix.join(defaultDirectory, path)
}

function tell(
  fetched: readonly Fetched[],
  written: readonly string[],
  { member, container, onEvent }: ContainerDelivery,
  counts: Counts,
): void {
  const paths = new Set(written)
  for (const { line, content, status: found } of fetched) {
    const status: FileStatus = content !== null && paths.has(pathIn(line)) ? "sent" : found
    if (status === "sent") counts.sent++
    else if (status === "match") counts.matched++
    else counts.missing++
    onEvent({
      type: "file",
      app: member.app.name,
      target: container.name,
      container: container.id,
      secret: line.name,
      status,
    })
  }
}

/** New files that cannot be written must not keep those before them from being read. */
async function payInSpite(
  thrown: unknown,
  start: ContainerStart,
  { member: { reload }, container, engine, starts, log }: ContainerDelivery,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return
  const { pendingReload } = starts.find(start)
  // What a container that hangs is sent would hang too.
  if (
    pendingReload === null ||
    reload === undefined ||
    isPurserError(thrown, "ERR_TIMEOUT") ||
    isAway(thrown)
  )
    return
  try {
    await reloadContainer(engine, container, reload, signal)
    starts.clearReload(start)
  } catch (error) {
    log.warn(reasonOf(error))
  }
}

/** Nothing to try again: it waits for its start, or to be unpaused. */
export function isAway(error: unknown): boolean {
  return (
    isPurserError(error, "ERR_NOT_RUNNING") ||
    isPurserError(error, "ERR_CONTAINER_PAUSED") ||
    isPurserError(error, "ERR_NO_SUCH_CONTAINER")
  )
}

function explained(error: PurserError, { member, container }: ContainerDelivery): PurserError {
  // The copy's own hint names a flag of another command.
  if (error.code === "ERR_DISK") {
    const hint = `give the container a tmpfs there (tmpfs: ${defaultDirectory}), or write require_tmpfs: false for ${member.app.name}`
    return new PurserError(error.code, error.message, { cause: error, hint })
  }
  if (error.code === "ERR_RELOAD" && container.state.paused) {
    const hint = "its reload follows when it goes on: docker unpause"
    return new PurserError("ERR_CONTAINER_PAUSED", error.message, { cause: error, hint })
  }
  return error
}
