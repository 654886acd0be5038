import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { TimeLimit } from "../base/time-limit.ts"
import { inspectContainer, killContainer, restartContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { execIn } from "../docker/exec.ts"
import { formatReload, runLocalReload, type Reload } from "../rollout/reload.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/** After files in a container have changed: makes what runs there read them again. */

const reloadMs = 30_000
/** It gets its stop time limit (10 s mostly) first. */
const restartMs = 90_000

/**
 * A signal goes to the container's first process; `exec:` runs in the container, `http:` is a POST from here. A
 * restart empties its tmpfs: deliver again afterwards. Throws `ERR_RELOAD`, also for a container that is another
 * run by now, since what was delivered to the one before is gone.
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
      hint: "docker unpause lets it go on; then deliver again",
    })
  switch (reload.kind) {
    case "signal":
      return await killContainer(engine, id, reload.signal, signal)
    case "restart":
      return await restartContainer(engine, id, signal)
    case "exec": {
      // What it prints may hold a secret, so nobody sees it.
      const command = ["sh", "-c", `exec >/dev/null 2>&1\n${reload.command}`]
      const { exitCode, stdout } = await execIn(engine, id, { command, timeoutMs: limitMs }, signal)
      // With its output closed, only the engine can have said anything: that there is no shell.
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
