import { Argument, type Command } from "commander"
import type { CommandAction } from "../command.ts"
import { completionScript, shells, type Shell } from "./scripts.ts"

/** `purser completion`: prints a script with which the shell calls `purser __complete` when Tab is pressed. */
export function define(command: Command, action: CommandAction): void {
  command
    .description(
      "Prints a script that completes commands, options, secrets, apps and containers in a shell. For bash: source <(purser completion bash)",
    )
    .addArgument(new Argument("<shell>", "shell that runs the script").choices(shells))
    .action(
      action(async ({ output }, _options: object, shell: Shell) => {
        const script = completionScript(shell)
        output.result({ shell, script }, script.trimEnd())
      }),
    )
}
