import { Argument, type Command } from "commander"
import type { CommandAction } from "../command.ts"
import { completionScript, shells, type Shell } from "./scripts.ts"

/** `purser completion`: a script that has the shell ask `purser __complete` whenever somebody presses Tab. */
export function define(command: Command, action: CommandAction): void {
  command
    .description(
      "Prints what makes a shell complete commands, options, secrets, apps and containers. For bash: source <(purser completion bash)",
    )
    .addArgument(new Argument("<shell>", "whose script").choices(shells))
    .action(
      action(async ({ output }, _options: object, shell: Shell) => {
        const script = completionScript(shell)
        output.result({ shell, script }, script.trimEnd())
      }),
    )
}
