import type { Command } from "commander"
import type { KnownNode } from "../../state/nodes.ts"
import { isStateDir, type OpenStateDir } from "../../state/open.ts"
import { PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import { isPin } from "../../channel/pin.ts"
import { openStateOf } from "../../wiring/open-state.ts"
import type { CommandAction, Context } from "../command.ts"
import { commandConfig } from "../load-config.ts"

interface AppFlag {
  app?: string
}

/** `purser nodes`: lists the nodes that were served or wait for approval, and decides about them. */
export function define(command: Command, action: CommandAction): void {
  command
    .command("ls", { isDefault: true })
    .description("list the known nodes")
    .option("--app <name>", "list only the nodes of this app")
    .action(action(list))
  command
    .command("approve")
    .description("trust a node that waits for approval")
    .argument("<pin>", "as purser nodes ls shows it")
    .option("--app <name>", "for this app only")
    .action(action((context, flags: AppFlag, pin: string) => decide(context, pin, "approved", flags)))
  command
    .command("reject")
    .description("do not trust a node, now or later")
    .argument("<pin>", "as purser nodes ls shows it")
    .option("--app <name>", "for this app only")
    .action(action((context, flags: AppFlag, pin: string) => decide(context, pin, "rejected", flags)))
  command
    .command("forget")
    .description("forget a node; if it comes back, it is new")
    .argument("<pin-or-address>", "as purser nodes ls shows them")
    .action(action(forget))
}

async function list(context: Context, { app }: AppFlag): Promise<void> {
  const { stateDir } = await commandConfig(context)
  // Does not create the state, because --state may be mistyped.
  await using opened = isStateDir(stateDir) ? await open(context) : undefined
  if (opened === undefined) {
    context.output.note(`no nodes are known in ${stateDir}: there is no state yet`)
    return
  }
  const { state } = opened
  const approvals = state.approvals.list().filter((one) => app === undefined || one.app === app)
  const keyOf = (node: KnownNode): string => `${node.app} ${node.pin}`
  const decided = new Map(approvals.map((one) => [keyOf(one), one.state]))
  // Shows the decision about a node that was served once and is no longer trusted.
  const served = state.nodes.list(app).map((node) => {
    const decision = decided.get(keyOf(node))
    return decision === undefined || decision === "approved" ? node : { ...node, state: decision }
  })
  const known = new Set(served.map(keyOf))
  const rows = [...served, ...approvals.filter((one) => !known.has(keyOf(one)))]
  if (rows.length === 0) context.output.note("no nodes are known yet")
  context.output.table(rows.map(asJson), [
    { title: "APP", value: (node) => node.app },
    { title: "ADDRESS", value: (node) => node.address },
    { title: "NAME", value: (node) => node.name },
    { title: "STATE", value: (node) => node.state },
    { title: "FIRST SEEN", value: (node) => node.firstSeen },
    { title: "LAST DELIVERY", value: (node) => node.lastDelivery ?? "never" },
    { title: "PIN", value: (node) => node.pin },
  ])
}

function asJson({ firstSeen, lastSeen, lastDelivery, ...rest }: KnownNode) {
  const text = (time: number): string => new Date(time).toISOString().replace(/\.\d+Z$/, "Z")
  return {
    ...rest,
    firstSeen: text(firstSeen),
    lastSeen: text(lastSeen),
    lastDelivery: lastDelivery === null ? null : text(lastDelivery),
  }
}

async function decide(
  context: Context,
  pin: string,
  decision: "approved" | "rejected",
  { app }: AppFlag,
): Promise<void> {
  if (!isPin(pin))
    throw new PurserError("ERR_USAGE", `${quote(pin)} is not a pin`, {
      hint: "copy one from purser nodes ls",
    })
  await using opened = await open(context)
  const apps = opened.state.approvals.decide(pin, decision, app)
  if (apps.length === 0) {
    throw new PurserError(
      "ERR_USAGE",
      `no node with the pin ${pin} has asked${app === undefined ? "" : ` for ${app}`}`,
      {
        hint: "purser nodes ls lists the nodes that wait; a node is listed once the agent has dialled it",
      },
    )
  }
  for (const of of apps) await opened.audit.append({ kind: "trust", app: of, pin, change: decision })
  context.output.result({ pin, decision, apps }, `${decision} ${pin} for ${apps.join(", ")}`)
}

async function forget(context: Context, _flags: object, pinOrAddress: string): Promise<void> {
  await using opened = await open(context)
  const count = opened.state.forget(pinOrAddress)
  if (count === 0)
    throw new PurserError("ERR_USAGE", `no node is known as ${quote(pinOrAddress)}`, {
      hint: "purser nodes ls shows pins and addresses",
    })
  await opened.audit.append({
    kind: "trust",
    change: "forgotten",
    ...(isPin(pinOrAddress) ? { pin: pinOrAddress } : { address: pinOrAddress }),
  })
  context.output.result({ forgot: pinOrAddress, nodes: count }, `forgot ${pinOrAddress}`)
}

async function open(context: Context): Promise<OpenStateDir> {
  return await openStateOf(await commandConfig(context), context)
}
