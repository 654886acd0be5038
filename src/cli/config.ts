import type { Command } from "commander"
import type { CommandAction } from "./command.ts"

/** `purser config schema`. */
export function define(command: Command, action: CommandAction): void {
  command
    .command("schema")
    .summary("print the JSON Schema of purser.yaml, for editors")
    .action(
      action(async ({ output }) => {
        const { configJsonSchema } = await import("../wiring/config.ts")
        const schema = configJsonSchema()
        output.result(schema, JSON.stringify(schema, null, 2))
      }),
    )
}
