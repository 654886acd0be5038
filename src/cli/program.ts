import { Command, CommanderError } from "commander"
import { PurserError } from "../base/errors.ts"
import { exitCodeOf } from "../base/errors/table.ts"
import { createLog } from "../base/log.ts"
import { buildProgram, commandWords } from "./build-program.ts"
import type { CommandAction, Context } from "./command.ts"
import { createOutput } from "./output.ts"
import { reportError } from "./report-error.ts"

/** Runs every command but `node` and `health`: loads the one that is called, runs it, and reports its error. */

/** Runs the command line. Resolves with the exit code. */
export async function main(argv: readonly string[], process: NodeJS.Process): Promise<number> {
  const { stdout, stderr, env } = process
  const stop = new AbortController()
  let signalCode: number | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    const code = signal === "SIGINT" ? 130 : 143
    if (signalCode !== undefined) process.exit(code)
    signalCode = code
    stop.abort(new DOMException(`stopped by ${signal}`, "AbortError"))
  }
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal)
  // A closed pipe (`purser nodes ls | head -1`) is not an error.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
    process.exit(0)
  })
  // Ignored, because errors of stderr cannot be reported.
  stderr.on("error", () => {})

  let exitCode = 0
  const action: CommandAction =
    (run) =>
    async (...args) => {
      const command = args.pop() as Command
      args.pop() // the command's own options, without those that stand before its name
      const { state, config, json = false, verbose = false, ...options } = optionsOf(command)
      const context: Context = {
        env,
        // Node makes the stream when it is first asked for, and most commands read nothing.
        get stdin() {
          return process.stdin
        },
        output: createOutput({ stdout, stderr, env, json }),
        log: createLog(stderr, { json, level: verbose ? "debug" : "info", name: "purser" }),
        signal: stop.signal,
        releaseSignals: () => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal),
        state,
        config,
        json,
        verbose,
      }
      // The options and arguments are what the command itself declared.
      const result = await run(context, options as never, ...(args as never))
      if (typeof result === "number") exitCode = result
    }

  const program = new Command("purser")
    .exitOverride()
    // Commander prints help only; reportError prints all errors.
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: () => {},
    })
  try {
    await buildProgram(program, argv, action)
    await program.parseAsync([...argv], { from: "user" })
    return exitCode
  } catch (error) {
    if (isAbort(error)) return signalCode ?? 130
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0
      // A command without its subcommand; commander has printed its help on stderr.
      if (error.code === "commander.help") return exitCodeOf("ERR_USAGE")
    }
    const json = argv.includes("--json")
    const verbose = argv.includes("--verbose") || argv.includes("-v")
    return reportError(asUsageError(error, program, argv), { stderr, json, verbose })
  }
}

/** The command's options with those before its name. Later ones take precedence. */
function optionsOf(command: Command): CommonOptions {
  const above = command.parent === null ? {} : optionsOf(command.parent)
  return { ...above, ...command.opts<CommonOptions>() }
}

interface CommonOptions {
  state?: string
  config?: string
  json?: boolean
  verbose?: boolean
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || isAbort(error.cause))
}

/** The full name of the command that is called, such as `purser secret get`. */
function calledName(program: Command, words: readonly string[]): string {
  const names = [program.name()]
  let command: Command | undefined = program
  for (const word of words) {
    command = command.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (command === undefined) break
    names.push(command.name())
  }
  return names.join(" ")
}

/** Converts commander's errors to `ERR_USAGE`. */
function asUsageError(error: unknown, program: Command, argv: readonly string[]): unknown {
  if (!(error instanceof CommanderError)) return error
  const see = `see \`${calledName(program, commandWords(argv))} --help\``
  const [message = "", ...rest] = error.message.replace(/^error: /, "").split("\n")
  const nearest = /\(Did you mean (?:one of )?(.*?)\?\)/.exec(rest.join(" "))?.[1]
  // Surplus arguments are not repeated in the message, because they may be secrets.
  const shown = message.replace(/(\. Expected .* but got \d+).*$/, "$1")
  return new PurserError("ERR_USAGE", shown.replace(/\.$/, "").replaceAll("'", '"'), {
    hint: nearest === undefined ? see : `did you mean ${nearest}? ${see}`,
  })
}
