import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { TimeLimit } from "../base/time-limit.ts"
import { inspectContainer, killContainer, restartContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { execIn } from "../docker/exec.ts"
import { formatReload, runLocalReload, type Reload } from "../rollout/reload.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/** Makes the program in a container read its files again after they have changed. */

const reloadMs = 30_000
/** The time limit of a restart, which includes the container's own stop timeout (usually 10 s). */
const restartMs = 90_000

/**
 * Reloads a container: a signal goes to its first process, `exec:` runs in the container, and `http:` is a POST from
 * this process. A restart empties its tmpfs, so deliver again afterwards. Throws `ERR_RELOAD`, also for a container
 * that was restarted since `container` was read, because the files delivered to the previous run are gone.
 */
export async function reloadContainer(
  engine: Engine,
  container: ContainerDetails,
  reload: Reload,
  signal: AbortSignal,
): Promise<void> {
  const limitMs = reload.kind === "restart" ? restartMs : reloadMs
  using limit = new TimeLimit(signal, limitMs)
  try {
    await run(engine, container, reload, { signal: limit.signal, limitMs })
  } catch (error) {
    if (signal.aborted || isPurserError(error, "ERR_RELOAD")) throw error
    const why = limit.isOver ? `it took longer than ${limitMs} ms` : reasonOf(error)
    throw failed(container, reload, why, { cause: error })
  }
}

async function run(
  engine: Engine,
  container: ContainerDetails,
  reload: Reload,
  { signal, limitMs }: { signal: AbortSignal; limitMs: number },
): Promise<void> {
  if (reload.kind === "http") return await runLocalReload(reload, signal, {}, limitMs)
  const { id, state } = container
  const now = await inspectContainer(engine, id, signal)
  if (!now.state.running || now.state.startedAt !== state.startedAt)
    throw failed(container, reload, "it has stopped or was restarted meanwhile", {
      hint: "deliver again when it runs",
    })
  if (now.state.paused)
    throw failed(container, reload, "it is paused", {
      hint: "run docker unpause, then deliver again",
    })
  switch (reload.kind) {
    case "signal":
      return await killContainer(engine, id, reload.signal, signal)
    case "restart":
      return await restartContainer(engine, id, signal)
    case "exec": {
      // The command's output is discarded, because it may hold a secret.
      const command = ["sh", "-c", `exec >/dev/null 2>&1\n${reload.command}`]
      const { exitCode, stdout } = await execIn(engine, id, { command, timeoutMs: limitMs }, signal)
      // The command's output goes to /dev/null, so any text comes from the engine: it reports that there is no shell.
      if (exitCode !== 0)
        throw failed(
          container,
          reload,
          stdout.byteLength > 0 && exitCode >= 126
            ? "sh cannot be started in it"
            : `it ended with exit code ${exitCode}`,
        )
    }
  }
}

function failed(
  { name }: ContainerDetails,
  reload: Reload,
  why: string,
  details: { hint?: string; cause?: unknown } = {},
): PurserError {
  return new PurserError(
    "ERR_RELOAD",
    `the reload ${formatReload(reload)} of ${quote(name)} failed: ${why}`,
    details,
  )
}
