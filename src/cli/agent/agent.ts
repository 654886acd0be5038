import { InvalidArgumentError, Option, type Command } from "commander"
import { protocols } from "../../apps/entry.ts"
import type { Protocol, TrustMode } from "../../apps/settings.ts"
import { trustNames } from "../../apps/trust/kinds.ts"
import { targetKeys, targetKinds } from "../../agent/targets/kinds.ts"
import type { DeliveryEvent } from "../../agent/delivery/events.ts"
import { openConfiguredAgent, type ConfiguredAgent } from "../../wiring/configured-agent.ts"
import type { ConfigSettings } from "../../wiring/settings.ts"
import type { ResolvedConfig } from "../../wiring/resolved-config.ts"
import { PurserError, asPurserError } from "../../base/errors.ts"
import { errorFields } from "../../base/log.ts"
import { createDisplay } from "./display.ts"
import type { CommandAction, Context } from "../command.ts"
import { configFromFlags, printConfig } from "./config-flags.ts"
import { statusFileIn } from "../node/health.ts"
import { commandConfig, commandConfigWith, openContextOf } from "../load-config.ts"

interface Flags {
  app?: string
  secret?: string[]
  dir?: string
  node?: string[]
  directory?: string
  file?: string[]
  reload?: string
  requireTmpfs?: boolean
  protocol?: Protocol
  trust?: TrustMode
  pin?: string[]
  maxNodes?: number
  requirePq?: boolean
  every?: string
  discover?: string
  once?: boolean
  printConfig?: boolean
  status?: string
}

/** `purser agent`: delivers the secrets of the apps in purser.yaml, or of a single app that flags describe. */
export function define(command: Command, action: CommandAction): void {
  const repeatable = (value: string, earlier: string[] = []): string[] => [...earlier, value]
  command
    .option("--app <name>", "serve this app, by flags instead of the apps of purser.yaml")
    .option("--secret <name>", "grant a secret of the store (repeatable)", repeatable)
    .option("--dir <path>", "grant every file of a directory")
    .option("--node <address>", "node to dial, HOST[:PORT] (repeatable)", repeatable)
    .option("--directory <path>", "write the files into a directory of this host")
    .option(
      "--file <line>",
      "file in that directory: NAME [path=…] [mode=…] [owner=…] [optional] (repeatable)",
      repeatable,
    )
    .option("--reload <spec>", "reload after changes in that directory: exec:COMMAND or http:URL")
    .option("--require-tmpfs", "fail if that directory is on a disk")
    .addOption(
      new Option(
        "--protocol <name>",
        "protocol of the nodes; fluxvault, for FluxVault's own nodes, implies --trust discovered",
      ).choices(protocols),
    )
    .addOption(new Option("--trust <mode>", "how nodes are authenticated").choices(trustNames))
    .option("--pin <pin>", "pin of a node, with --trust pinned (repeatable)", repeatable)
    .option("--max-nodes <number>", "limit of nodes that are alive at a time", wholeNumber)
    .option("--require-pq", "refuse nodes without post-quantum key exchange")
    .option("--every <duration>", "time between deliveries to a known target (default: 1h)")
    .option("--discover <duration>", "time between searches for new nodes (default: 5m)")
    .option("--once", "deliver once; the exit code is 0 if every target was served")
    .option("--print-config", "print the purser.yaml that is equivalent to the flags, and exit")
    .option(
      "--status <file>",
      "status file for purser health (default: PURSER_STATUS, else in the state directory)",
    )
    .action(action(run))
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError("it is not a whole number.")
}

async function run(given: Context, flags: Flags): Promise<number> {
  if (flags.app === undefined) refuseFlagsWithoutApp(flags)
  const plain = flags.app === undefined ? undefined : configFromFlags(plainFlags(flags, flags.app))
  if (flags.printConfig === true) {
    if (plain === undefined) {
      throw new PurserError("ERR_USAGE", "--print-config needs --app and its flags", {
        hint: "only flags can be printed: add --app NAME and the app's flags",
      })
    }
    await given.output.bytes(Buffer.from(printConfig(plain)))
    return 0
  }
  const once = flags.once === true
  await using display = await createDisplay(given.output, { live: !once })
  const context = { ...given, log: display.around(given.log) }
  const config = await configOf(plain, context)
  if (flags.protocol === "fluxvault" && flags.trust === undefined)
    context.log.info("--protocol fluxvault implies --trust discovered")
  const statusFile = flags.status ?? (context.env["PURSER_STATUS"] || statusFileIn(config.stateDir))
  await using opened = await openConfiguredAgent(config, openContextOf(context), {
    signal: context.signal,
    reloadEnv: context.env,
    statusFile,
    onEvent: (event) => display.show(event),
  })
  if (once) return exitCodeOf(await opened.agent.round(context.signal), config, context)
  using _ = onHangup(() => reconfigure(opened, plain, context))
  await opened.agent.run(context.signal)
  return 0
}

/** Refuses flags of an app without `--app`, because they would be ignored. */
function refuseFlagsWithoutApp(flags: Flags): void {
  const { once: _once, printConfig: _print, status: _status, ...ofApp } = flags
  const [name] = Object.entries(ofApp).find(([, value]) => value !== undefined) ?? []
  if (name === undefined) return
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  throw new PurserError("ERR_USAGE", `${flag} has no meaning without --app`, {
    hint: "add --app NAME, or configure it in purser.yaml",
  })
}

/** Commander's flags as {@link configFromFlags} takes them. */
function plainFlags(flags: Flags, app: string) {
  const { secret, node, file, pin, once: _once, printConfig: _print, status: _status, ...same } = flags
  return {
    ...same,
    app,
    ...(secret === undefined ? {} : { secrets: secret }),
    ...(node === undefined ? {} : { nodes: node }),
    ...(file === undefined ? {} : { files: file }),
    ...(pin === undefined ? {} : { pins: pin }),
  }
}

async function configOf(plain: ConfigSettings | undefined, context: Context): Promise<ResolvedConfig> {
  const config = plain === undefined ? await commandConfig(context) : await commandConfigWith(plain, context)
  const apps = Object.values(config.apps)
  if (apps.length === 0) {
    throw new PurserError("ERR_USAGE", "no app is configured", {
      hint: "purser agent --app NAME --secret NAME --node HOST, or apps: in purser.yaml",
    })
  }
  for (const { name, secrets, actions } of apps) {
    if (secrets.length + actions.length > 0) continue
    throw new PurserError("ERR_USAGE", `nothing is granted to ${name}`, {
      hint: "grant secrets with --secret NAME or --dir DIRECTORY, or with secrets: of the app in purser.yaml",
    })
  }
  for (const app of apps) {
    if (targetKinds.some((kind) => kind.isFor(app))) continue
    throw new PurserError("ERR_USAGE", `${app.name} has no target`, {
      hint: `give --node HOST or --directory DIR, or ${targetKeys()} of the app in purser.yaml`,
    })
  }
  return config
}

/** Applies the changed configuration after SIGHUP. Keeps the previous one when the new one cannot be read. */
async function reconfigure(
  opened: ConfiguredAgent,
  plain: ConfigSettings | undefined,
  context: Context,
): Promise<void> {
  const { log } = context
  try {
    const config = await configOf(plain, context)
    await opened.reconfigure(config, context.signal)
    log.info("read the configuration again", { apps: Object.keys(config.apps).join(", ") })
  } catch (thrown) {
    const error = asPurserError(thrown)
    log.error(`the configuration stays as it was: ${error.message}`, errorFields(error))
  }
}

/**
 * Calls the listener for each SIGHUP, one call at a time. Not on Windows, where SIGHUP means that the console was closed.
 */
function onHangup(listener: () => Promise<void>): Disposable {
  let last = Promise.resolve()
  const handle = (): void => {
    last = last.then(listener)
  }
  if (process.platform !== "win32") process.on("SIGHUP", handle)
  return { [Symbol.dispose]: () => process.removeListener("SIGHUP", handle) }
}

/** The exit code of one round: 0 when every target was served and every app has a target. */
function exitCodeOf(
  deliveries: readonly DeliveryEvent[],
  { apps }: ResolvedConfig,
  { signal, log }: Context,
): number {
  // An aborted round proves nothing about the remaining targets.
  signal.throwIfAborted()
  let code = deliveries.every(({ status }) => status === "ok") ? 0 : 1
  for (const app of Object.values(apps)) {
    if (deliveries.some((delivery) => delivery.app === app.name)) continue
    const kind = targetKinds.find((one) => one.notFoundHint !== undefined && one.isFor(app))
    const hint = kind?.notFoundHint
    log.error(`no target of ${app.name} was found`, hint === undefined ? {} : { hint })
    code = 1
  }
  return code
}
