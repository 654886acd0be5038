import { PurserError, asPurserError, isPurserError, reasonOf } from "../../../base/errors.ts"
import { reloadContainer } from "../../../copy/reload.ts"
import { inspectContainer } from "../../../docker/containers.ts"
import { isCheckFailure } from "../../../rollout/check.ts"
import { checkPaths, defaultDirectory, fileLineFor } from "../../../files/file-line.ts"
import { formatReload } from "../../../rollout/reload.ts"
import type { ContainerStart } from "../../../state/container-starts.ts"
import type { Delivery } from "../../delivery/delivery.ts"
import type { FileStatus } from "../../delivery/events.ts"
import { copyFiles, type Written } from "./copy-files.ts"
import { fetchFile, pathIn, type FetchedFile } from "./fetch.ts"
import type { ContainerTurn } from "./turn.ts"

/**
 * One delivery into one running container: the granted secrets, by whatever route is right, and then the reload.
 * A reload is noted in the state before the first file changes, for this start of this container.
 */

export async function deliverToContainer(
  delivery: Delivery,
  turn: ContainerTurn,
  signal: AbortSignal,
): Promise<void> {
  const { id, name } = turn.container
  delivery.start({ target: name, container: id })
  try {
    await deliver(delivery, turn, signal)
  } catch (thrown) {
    throw explained(asPurserError(thrown), turn)
  }
}

async function deliver(delivery: Delivery, turn: ContainerTurn, signal: AbortSignal): Promise<void> {
  const { member, container, starts } = turn
  const { reload } = member
  const start: ContainerStart = {
    app: member.app.name,
    id: container.id,
    startedAt: container.state.startedAt,
  }
  const before = starts.find(start)
  const lines = member.files ?? (await delivery.secrets.names(signal)).map(fileLineFor)
  checkPaths(lines, defaultDirectory)
  const fetched = await Promise.all(lines.map((line) => fetchFile(line, delivery, turn, signal)))
  const lacking = fetched.filter(({ line, content }) => content === null && !line.optional)
  const isComplete = lacking.length === 0 || before.isComplete
  let isCopied = false
  const onCopied = async ({ replaced, written }: Written): Promise<boolean> => {
    isCopied = true
    tell(fetched, written, delivery)
    // New files need no reload while no process can have used the files of this start.
    const isDue =
      before.pendingReload !== null || replaced.length > 0 || (before.isComplete && written.length > 0)
    const pendingReload = reload !== undefined && isDue ? formatReload(reload) : null
    const now = starts.find(start)
    if (now.isComplete !== isComplete || now.pendingReload !== pendingReload)
      starts.remember(start, { isComplete, pendingReload })
    return reload === undefined ? replaced.length > 0 : pendingReload !== null
  }
  const copying = copyFiles(fetched, { start, delivery, turn, onCopied }, signal)
  const { reloaded } = await copying.catch(async (thrown: unknown) => {
    if (!isCopied) await reloadInSpite(thrown, start, turn, signal)
    // The check failed after the reload, and the old files were reloaded too.
    else if (isCheckFailure(thrown)) starts.clearReload(start)
    throw thrown
  })
  if (reloaded) {
    starts.clearReload(start)
    if (reload?.kind === "restart" && turn.isOnce) await deliverAgain(delivery, turn, signal)
  }
  if (lacking.length > 0) {
    throw new PurserError(
      "ERR_DELIVERY",
      `not delivered into ${container.name}: ${lacking.map(({ line }) => line.name).join(", ")}`,
      { hint: "purser check says what its source lacks; a file line may be optional" },
    )
  }
}

/** Delivers to the start that follows a restart, because the previous start took its secrets with it. */
async function deliverAgain(delivery: Delivery, turn: ContainerTurn, signal: AbortSignal): Promise<void> {
  const container = await inspectContainer(turn.engine, turn.container.id, signal)
  await deliver(delivery.repeated(), { ...turn, container, isOnce: false }, signal)
}

function tell(fetched: readonly FetchedFile[], written: readonly string[], delivery: Delivery): void {
  const paths = new Set(written)
  for (const { line, content, status: found } of fetched) {
    const status: FileStatus = content !== null && paths.has(pathIn(line)) ? "sent" : found
    delivery.tell(line.name, status)
  }
}

/** Runs a pending reload although new files cannot be written, so that earlier ones are read. */
async function reloadInSpite(
  thrown: unknown,
  start: ContainerStart,
  { member: { reload }, container, engine, starts, log }: ContainerTurn,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return
  const { pendingReload } = starts.find(start)
  if (pendingReload === null || reload === undefined) return
  // A container that hangs would hang at its reload too.
  if (isPurserError(thrown, "ERR_TIMEOUT") || isAway(thrown)) return
  try {
    await reloadContainer(engine, container, reload, signal)
    starts.clearReload(start)
  } catch (error) {
    log.warn(reasonOf(error))
  }
}

/** True for a container that is found again when it starts or is unpaused, so that no retry is due. */
export function isAway(error: unknown): boolean {
  return (
    isPurserError(error, "ERR_NOT_RUNNING") ||
    isPurserError(error, "ERR_CONTAINER_PAUSED") ||
    isPurserError(error, "ERR_NO_SUCH_CONTAINER")
  )
}

function explained(error: PurserError, { member, container }: ContainerTurn): PurserError {
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
