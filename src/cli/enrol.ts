import type { Command } from "commander"
import { agentPins } from "../agent/identity-files.ts"
import { openStateDir } from "../agent/state-dir.ts"
import { parseDuration } from "../base/duration.ts"
import { PurserError } from "../base/errors.ts"
import { parseAppName } from "../base/names.ts"
import { formatEnrolment } from "../channel/enrolment.ts"
import type { Action, Context } from "./command.ts"
import { loadConfig } from "./load-config.ts"

interface Flags {
  rotate?: boolean
  overlap?: string
  revoke?: boolean
  trust?: string
}

/** `purser enrol APP`: the one value that every node of the app gets. */
export function define(command: Command, action: Action): void {
  command
    .argument("<app>", "name of the app")
    .option("--rotate", "make a new token; the old one stays good for --overlap")
    .option("--overlap <duration>", "with --rotate (24h)")
    .option("--revoke", "end every token of the app at once, and print nothing")
    .option("--trust <mode>", "for an app that is in no purser.yaml: approved and pinned need no token")
    .action(action(run))
}

async function run(context: Context, { rotate, overlap, revoke, trust }: Flags, name: string): Promise<void> {
  if (overlap !== undefined && rotate !== true)
    throw new PurserError("ERR_USAGE", "--overlap goes with --rotate")
  if (rotate === true && revoke === true) {
    throw new PurserError("ERR_USAGE", "--rotate and --revoke do not go together", {
      hint: "--revoke first; the next enrol makes a new token",
    })
  }
  const app = parseAppName(name)
  const config = await loadConfig(context)
  await using opened = await openStateDir(config.stateDir, context.log)
  const { state, audit } = opened
  if (revoke === true) {
    const count = state.revokeTokens(app)
    await audit.append({ kind: "enrolment", app, change: "revoked", tokens: count })
    context.output.note(`revoked ${count} ${count === 1 ? "token" : "tokens"} of ${app}`)
    return
  }
  const pins = await agentPins(config.stateDir)
  const mode = trust ?? config.apps[app]?.trust ?? "enrolled"
  if (mode === "approved" || mode === "pinned") {
    context.output.result(
      { app, enrolment: formatEnrolment({ app, agentPins: pins }) },
      formatEnrolment({ app, agentPins: pins }),
    )
    return
  }
  const isNew = state.tokensOf(app).length === 0
  const token = rotate === true ? state.rotateToken(app, parseDuration(overlap ?? "24h")) : state.enrol(app)
  if (isNew || rotate === true)
    await audit.append({ kind: "enrolment", app, change: isNew ? "created" : "rotated" })
  const enrolment = formatEnrolment({ app, agentPins: pins, token })
  context.output.result({ app, enrolment }, enrolment)
}
