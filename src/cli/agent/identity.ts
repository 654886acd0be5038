import type { Command } from "commander"
import {
  agentIdentity,
  nextIdentity,
  prepareNextIdentity,
  promoteNextIdentity,
} from "../../state/identity-files.ts"
import { PurserError } from "../../base/errors.ts"
import { openStateOf } from "../../wiring/open-state.ts"
import type { CommandAction, Context } from "../command.ts"
import { commandConfig } from "../load-config.ts"

interface Flags {
  next?: boolean
  promote?: boolean
}

/** `purser agent identity`: prints the pin of this agent's key, and rotates the key. */
export function define(command: Command, action: CommandAction): void {
  command
    .option("--next", "prepare the next key; enrolment strings carry its pin from now on")
    .option("--promote", "use the next key from now on")
    .action(action(run))
}

async function run(context: Context, { next, promote }: Flags): Promise<void> {
  if (next === true && promote === true)
    throw new PurserError("ERR_USAGE", "--next and --promote exclude each other")
  const config = await commandConfig(context)
  const { stateDir } = config
  await using opened = await openStateOf(config, context)
  if (next === true) {
    const isNew = (await nextIdentity(stateDir)) === undefined
    const { pin } = await prepareNextIdentity(stateDir)
    if (isNew) await opened.audit.append({ kind: "identity", change: "prepared", pin })
    context.output.note(
      "run purser enrol APP for each app, give its nodes the new string, then run purser agent identity --promote",
    )
  }
  if (promote === true) {
    const { pin } = await promoteNextIdentity(stateDir)
    await opened.audit.append({ kind: "identity", change: "promoted", pin })
    context.output.note("restart a running agent to use the new key")
  }
  const present = await agentIdentity(stateDir)
  const coming = await nextIdentity(stateDir)
  const result = { pin: present.pin, ...(coming === undefined ? {} : { next: coming.pin }) }
  context.output.result(result, coming === undefined ? present.pin : `${present.pin}\nnext ${coming.pin}`)
}
