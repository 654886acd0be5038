import { asPurserError } from "../../base/errors.ts"
import { createLog, errorFields, type Log } from "../../base/log.ts"
import { runNode } from "../../node/run.ts"
import type { RunNodeOptions } from "../../node/run-options.ts"
import { usage } from "./flags.ts"
import { readNodeSettings } from "./settings.ts"

/**
 * `purser node`, which is also the one-file receiver. It loads nothing from npm,
 * because it runs inside applications' containers.
 */

/** Runs until SIGTERM, SIGINT, the command's end or (with `--once`) the first complete delivery. Resolves with the exit code. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let log = createLog(process.stderr, { name: "purser node", json: argv.includes("--json") })
  try {
    const settings = await readNodeSettings(argv, env)
    if (settings === null) {
      process.stdout.write(usage)
      return 0
    }
    const { json, verbose, options } = settings
    log = createLog(process.stderr, { name: "purser node", json, level: verbose ? "debug" : "info" })
    return await runUntilSignal(options, log)
  } catch (thrown) {
    const error = asPurserError(thrown)
    log.error(error.message, errorFields(error))
    return error.exitCode
  }
}

async function runUntilSignal(options: RunNodeOptions, log: Log): Promise<number> {
  const stopping = new AbortController()
  const stop = (): void => stopping.abort()
  const ignore = (): void => {
    process.removeListener("SIGTERM", stop).removeListener("SIGINT", stop)
  }
  process.on("SIGTERM", stop).on("SIGINT", stop)
  try {
    // Once the command has started it gets the signals, and its end ends the node.
    return await runNode({ ...options, log, onCommandStart: ignore }, stopping.signal)
  } finally {
    ignore()
  }
}
