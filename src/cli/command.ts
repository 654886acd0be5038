import type { Command } from "commander"
import type { Log } from "../base/log.ts"
import type { Output } from "./output.ts"

/**
 * The shape of a command. `src/cli/<name>.ts` exports
 *
 *     export function define(command: Command, action: Action): void {
 *       command
 *         .argument("<app>", "name of the app")
 *         .option("--rotate", "make a new token")
 *         .action(action(async (context, options: { rotate?: boolean }, app: string) => { … }))
 *     }
 *
 * and has a line in `commands.ts`. The file is loaded only when its command is
 * called (or its help), so it may import at the top whatever it always needs,
 * and imports in its action what only some calls need. `--state`, `--config`,
 * `--json` and `--verbose` are added to every command by `main.ts` and stand in
 * the context. What the action returns is the exit code (nothing: 0); what it
 * throws is reported by `main.ts`, and nowhere else.
 */

export interface Context {
  readonly env: NodeJS.ProcessEnv
  readonly stdin: NodeJS.ReadStream
  /** Results on stdout, notes on stderr. */
  readonly output: Output
  /** For the parts that report while they work; writes to stderr. */
  readonly log: Log
  /** Aborted by Ctrl-C and SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal
  /** From here on the command passes signals on to its child and ends with it: {@link signal} is not aborted any more. */
  releaseSignals(): void
  /** `--state DIR`, as given. */
  readonly state: string | undefined
  /** `--config FILE`, as given. */
  readonly config: string | undefined
  readonly json: boolean
  readonly verbose: boolean
}

/** `options` are commander's, in camelCase, without the common four; then the arguments in their order. */
export type Run<Options, Arguments extends readonly unknown[]> = (
  context: Context,
  options: Options,
  ...args: Arguments
) => Promise<number | void>

/** Turns a {@link Run} into what commander's `.action()` takes. */
export type CommandAction = <Options, Arguments extends readonly unknown[]>(
  run: Run<Options, Arguments>,
) => (...args: unknown[]) => Promise<void>

export interface CommandModule {
  define(command: Command, action: CommandAction): void
}
