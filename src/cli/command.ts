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
 * and has a line in `commands.ts`. The file is loaded only when its command or
 * the command's help is called, so it imports at the top what every call needs,
 * and in its action what only some calls need. `program.ts` adds `--state`,
 * `--config`, `--json` and `--verbose` to every command and puts them into the
 * context. The action resolves with the exit code (undefined: 0). Its errors are
 * reported by `program.ts` only.
 */

export interface Context {
  readonly env: NodeJS.ProcessEnv
  readonly stdin: NodeJS.ReadStream
  /** Prints results on stdout and notes on stderr. */
  readonly output: Output
  /** The log for code below the command; writes to stderr. */
  readonly log: Log
  /** Aborted by Ctrl-C and SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal
  /** Stops aborting {@link signal} on signals, for a command that forwards them to its child and ends with it. */
  releaseSignals(): void
  /** The value of `--state DIR`. */
  readonly state: string | undefined
  /** The value of `--config FILE`. */
  readonly config: string | undefined
  readonly json: boolean
  readonly verbose: boolean
}

/** A command's action. `options` are commander's, in camelCase, without the common four; the arguments follow in order. */
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
