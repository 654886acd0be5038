import { join } from "node:path"
import { parseArgs } from "node:util"
import { PurserError, asPurserError, reasonOf } from "../../base/errors.ts"
import { createLog, errorFields } from "../../base/log.ts"
import { checkHealth } from "../../node/health.ts"

/** `purser health`: reads the status file of a node or an agent. Loads nothing from npm. */

export const healthUsage = `Usage: purser health [--status FILE] [--state DIR]

Exits with 0 when every required file is in place; without a list of files, when
a delivery was complete and its files are still in place.

  --status FILE  status file of the node or agent; default PURSER_STATUS
  --state DIR    state directory of an agent, instead; default PURSER_STATE, else the agent's default
`

/** The default status file of an agent. */
export function statusFileIn(stateDir: string): string {
  return join(stateDir, "status.json")
}

/** Resolves with the exit code. The one-file receiver passes no `defaultStateDir`, because it is never an agent. */
export async function main(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  defaultStateDir?: () => Promise<string>,
): Promise<number> {
  const log = createLog(process.stderr, { name: "purser health", json: argv.includes("--json") })
  try {
    const file = await statusFile(argv, env, defaultStateDir)
    if (file === null) process.stdout.write(healthUsage)
    else await checkHealth(file)
    return 0
  } catch (thrown) {
    const error = asPurserError(thrown)
    log.error(error.message, errorFields(error))
    return error.exitCode
  }
}

async function statusFile(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  defaultStateDir?: () => Promise<string>,
): Promise<string | null> {
  const { status, state, help } = parse(argv)
  if (help === true) return null
  const file = status ?? (state === undefined ? env["PURSER_STATUS"] : undefined)
  if (file !== undefined && file !== "") return file
  const stateDir = state ?? env["PURSER_STATE"]
  if (stateDir !== undefined && stateDir !== "") return statusFileIn(stateDir)
  if (defaultStateDir !== undefined) return statusFileIn(await defaultStateDir())
  throw new PurserError("ERR_USAGE", "no status file is given", {
    hint: "give --status FILE or --state DIR as the node or agent has it, or set PURSER_STATUS",
  })
}

function parse(argv: readonly string[]) {
  const text = { type: "string" } as const
  const flag = { type: "boolean" } as const
  try {
    const options = { status: text, state: text, json: flag, help: { ...flag, short: "h" } }
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw new PurserError("ERR_USAGE", reasonOf(error).split(". ")[0] ?? "bad usage", {
      hint: "see purser health --help",
    })
  }
}
