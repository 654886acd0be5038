import { Option, type Command } from "commander"
import type { TrustMode } from "../../apps/settings.ts"
import { trustKindOf, trustKinds, trustNames } from "../../apps/trust/kinds.ts"
import { enrolApp } from "../../agent/enrol.ts"
import { parseDuration } from "../../base/duration.ts"
import { PurserError } from "../../base/errors.ts"
import { parseAppName } from "../../base/names.ts"
import { openStateOf } from "../../wiring/open-state.ts"
import type { CommandAction, Context } from "../command.ts"
import { commandConfig } from "../load-config.ts"

interface Flags {
  rotate?: boolean
  overlap?: string
  revoke?: boolean
  trust?: TrustMode
}

const withoutToken = trustKinds.filter(({ hasToken }) => !hasToken).map(({ name }) => name)

/** `purser enrol APP`: prints the enrolment string for the app's nodes, and rotates or revokes its token. */
export function define(command: Command, action: CommandAction): void {
  command
    .argument("<app>", "name of the app")
    .option("--rotate", "make a new token; the old one stays valid for --overlap")
    .option("--overlap <duration>", "with --rotate: time for which the old token stays valid (default: 24h)")
    .option("--revoke", "revoke every token of the app at once, and print no string")
    .addOption(
      new Option(
        "--trust <mode>",
        `trust mode of an app that is not in purser.yaml; ${withoutToken.join(" and ")} need no token`,
      ).choices(trustNames),
    )
    .action(action(run))
}

async function run(context: Context, { rotate, overlap, revoke, trust }: Flags, name: string): Promise<void> {
  if (overlap !== undefined && rotate !== true)
    throw new PurserError("ERR_USAGE", "--overlap has no meaning without --rotate")
  if (rotate === true && revoke === true) {
    throw new PurserError("ERR_USAGE", "--rotate and --revoke exclude each other", {
      hint: "use --revoke alone; the next purser enrol makes a new token",
    })
  }
  const app = parseAppName(name)
  const overlapMs = parseDuration(overlap ?? "24h")
  const config = await commandConfig(context)
  const mode = trust ?? config.apps[app]?.trust.mode ?? "enrolled"
  if (rotate === true && !trustKindOf({ mode }).hasToken) {
    throw new PurserError("ERR_USAGE", `${app} has trust: ${mode}, so it has no token to rotate`, {
      hint: "its nodes are known by their pins, which purser nodes ls lists",
    })
  }
  if (trust === undefined && config.file !== undefined && !Object.hasOwn(config.apps, app))
    context.output.warn(`${app} is not among the apps of ${config.file}`)
  await using opened = await openStateOf(config, context)
  const { state, audit } = opened
  if (revoke === true) {
    const count = state.tokens.revoke(app)
    await audit.append({ kind: "enrolment", app, change: "revoked", tokens: count })
    context.output.result(
      { app, revoked: count },
      `revoked ${count} ${count === 1 ? "token" : "tokens"} of ${app}`,
    )
    return
  }
  const enrolment = await enrolApp({
    app,
    trust: mode,
    stateDir: config.stateDir,
    state,
    audit,
    ...(rotate === true ? { rotateOverlapMs: overlapMs } : {}),
  })
  context.output.result({ app, enrolment }, enrolment)
}
