import { join } from "node:path"
import { parseArgs } from "node:util"
import { PurserError, asPurserError, reasonOf } from "../../base/errors.ts"
import { createLog, errorFields } from "../../base/log.ts"
import { checkHealth } from "../../node/health.ts"

/** `purser health`: one command for node and agent, which tell how they are by a small file. Loads nothing from npm. */

export const healthUsage = `Usage: purser health [--status FILE] [--state DIR]

Exits 0 once every required file is in place; without a list of files, once one
delivery was complete and its files are still there.

  --status FILE  as given to the node or agent; default PURSER_STATUS
  --state DIR    or the state directory of an agent; default PURSER_STATE, else the agent's own default
`

/** The status file of an agent that was not told another. */
export function statusFileIn(stateDir: string): string {
  return join(stateDir, "status.json")
}

/** `defaultStateDir` is not known to the one-file receiver, which is never an agent. */
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
  throw new PurserError("ERR_USAGE", "no status file to look at", {
    hint: "give --status FILE or --state DIR, as for the node or the agent; or set PURSER_STATUS",
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
