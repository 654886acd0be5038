import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { constants } from "node:os"
import { PurserError, reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"

/**
 * Runs the application as a child of the node: starts the command, forwards
 * signals, signals or restarts it for a reload, and reports its exit code. It
 * does not reap orphaned processes; a container needs an init as PID 1 for that.
 */

/** The signals of container runtimes and terminals that are forwarded to the command. */
const forwarded = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGCONT",
] as const

/** After one of these a restart in progress does not start the command again. */
const ending: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT"]

/** A terminal sends these to the command too, and many programs take a second one as "force", so they are not forwarded there. */
const fromTerminal: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGWINCH", "SIGHUP"]

export interface SuperviseOptions {
  /** argv; its first word is looked up in PATH. */
  command: readonly [string, ...string[]]
  env: NodeJS.ProcessEnv
  log: Log
  /** The time between SIGTERM and SIGKILL. Default 10,000. */
  graceMs?: number
}

export interface Supervisor extends AsyncDisposable {
  /** Starts the command; later calls do nothing. Throws `ERR_CHILD` when it cannot be started. */
  start(): Promise<void>
  readonly started: boolean
  signal(signal: NodeJS.Signals): void
  /** Stops the command with SIGTERM, or SIGKILL after `graceMs`, and starts it again. Throws `ERR_CHILD`. */
  restart(): Promise<void>
  /** Resolves once the command has ended by itself, with its exit code or 128 + the signal's number. */
  readonly exited: Promise<number>
}

export function createSupervisor(options: SuperviseOptions): Supervisor {
  const { command, env, log, graceMs = 10_000 } = options
  const exited = Promise.withResolvers<number>()
  let child: ChildProcess | undefined
  let restarting = false
  let endedBy: NodeJS.Signals | undefined

  const spawnChild = async (): Promise<void> => {
    const [file, ...args] = command
    const next = spawn(file, args, { env, stdio: "inherit" })
    try {
      await once(next, "spawn")
    } catch (error) {
      throw new PurserError("ERR_CHILD", `cannot start ${file}: ${reasonOf(error)}`, {
        hint: "give the command after --, as it is installed in this container",
        cause: error,
      })
    }
    child = next
    next.once("exit", (code, signal) => {
      if (child === next) child = undefined
      if (restarting) return
      exited.resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  }

  const forward = (signal: NodeJS.Signals): void => {
    if (ending.includes(signal)) endedBy = signal
    if (!(process.stdin.isTTY && fromTerminal.includes(signal))) child?.kill(signal)
  }
  for (const name of forwarded) process.on(name, forward)
  const stopForwarding = (): void => {
    for (const name of forwarded) process.removeListener(name, forward)
  }

  const stop = async (running: ChildProcess): Promise<void> => {
    const ended = once(running, "exit")
    running.kill("SIGTERM")
    const timer = setTimeout(() => {
      log.warn("the command did not end on SIGTERM, killing it", { graceMs })
      running.kill("SIGKILL")
    }, graceMs)
    await ended
    clearTimeout(timer)
  }

  let starting: Promise<void> | undefined
  return {
    start() {
      return (starting ??= spawnChild())
    },
    get started() {
      return starting !== undefined
    },
    exited: exited.promise,
    signal(signal) {
      child?.kill(signal)
    },
    async restart() {
      if (child === undefined) return
      restarting = true
      try {
        await stop(child)
        if (endedBy === undefined) await spawnChild()
        else exited.resolve(128 + constants.signals[endedBy])
      } finally {
        restarting = false
      }
    },
    async [Symbol.asyncDispose]() {
      stopForwarding()
      if (child === undefined) return
      restarting = true
      await stop(child)
    },
  }
}

/** The environment without the `PURSER_` variables, which are for the node and may hold its token. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([key]) => !key.startsWith("PURSER_")))
}
