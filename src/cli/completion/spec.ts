import { Command } from "commander"
import { buildProgram } from "../build-program.ts"

/** A command as completion sees it: made from the same table, and where there is none the same text, as `--help`. */
export interface CommandSpec {
  /** The words that lead to it: `secret get`; empty for the program itself. */
  readonly path: string
  readonly commands: readonly { readonly names: readonly string[]; readonly summary: string }[]
  readonly options: readonly OptionSpec[]
  readonly args: readonly ValueSpec[]
  /** The command below it of this name, if there is one. */
  child(name: string): CommandSpec | undefined
}

export interface OptionSpec {
  /** `-v` and `--verbose`, or the long one alone. */
  readonly names: readonly string[]
  readonly summary: string
  /** Undefined for one that takes no value. */
  readonly value: ValueSpec | undefined
  readonly repeatable: boolean
}

export interface ValueSpec {
  /** As the help writes it, without brackets and dots: `file`, `name`, `k=v`. */
  readonly placeholder: string
  readonly choices: readonly string[]
  readonly variadic: boolean
}

/** The command table as far as these words need it. */
export async function specFor(words: readonly string[]): Promise<CommandSpec> {
  const [first] = words
  const program = new Command("purser")
  // Nothing is parsed here, so nothing is run.
  const nothing = () => async () => {}
  const isOwn = first === "node" || first === "health"
  await buildProgram(program, isOwn ? [] : words, nothing)
  const spec = withHelp(specOf(program, ""))
  if (!isOwn) return spec
  const usage =
    first === "node"
      ? (await import("../node/flags.ts")).usage
      : (await import("../node/health.ts")).healthUsage
  return { ...spec, child: (name) => (name === first ? specOfUsage(usage, name) : spec.child(name)) }
}

/** `purser help` takes the words of the command that it is about. */
function withHelp(spec: CommandSpec): CommandSpec {
  return {
    ...spec,
    commands: [...spec.commands, { names: ["help"], summary: "print the help of a command" }],
    child: (name) => (name === "help" ? { ...spec, path: "help" } : spec.child(name)),
  }
}

function specOf(command: Command, path: string): CommandSpec {
  const help = { names: ["-h", "--help"], summary: "print this text", value: undefined, repeatable: false }
  return {
    path,
    commands: command.commands.map((child) => ({
      names: [child.name(), ...child.aliases()],
      summary: child.summary(),
    })),
    options: [
      ...command.options.map(
        ({
          short,
          long,
          description,
          flags,
          argChoices,
          required,
          optional,
          variadic,
          parseArg,
        }): OptionSpec => ({
          names: [short, long].filter((name) => name !== undefined && name !== null),
          summary: description,
          value:
            required || optional ? valueOf(/[<[](.*)[>\]]/.exec(flags)?.[1] ?? "", argChoices) : undefined,
          // A repeatable option has a function that collects its values.
          repeatable: variadic || parseArg !== undefined,
        }),
      ),
      help,
    ],
    args: command.registeredArguments.map((argument) => ({
      ...valueOf(argument.name(), argument.argChoices),
      variadic: argument.variadic,
    })),
    child(name) {
      const found = command.commands.find((child) => child.name() === name || child.aliases().includes(name))
      return found === undefined ? undefined : specOf(found, `${path} ${found.name()}`.trim())
    },
  }
}

/** Reads lines such as `  -v, --verbose     say more` and `  --file LINE   NAME [path=PATH]`. */
export function specOfUsage(usage: string, path: string): CommandSpec {
  const options: OptionSpec[] = []
  for (const line of usage.split("\n")) {
    const match = /^ {2}(?:(-\w), )?(--[\w-]+)(?: (\S+))? {2,}(.*)$/.exec(line)
    const [, short, long = "", placeholder, summary = ""] = match ?? []
    if (match === null) continue
    options.push({
      names: short === undefined ? [long] : [short, long],
      summary,
      value: placeholder === undefined ? undefined : valueOf(placeholder.toLowerCase()),
      repeatable: true,
    })
  }
  return { path, commands: [], options, args: [], child: () => undefined }
}

function valueOf(placeholder: string, choices: readonly string[] = []): ValueSpec {
  return { placeholder: placeholder.replace(/\.\.\.$/, ""), choices, variadic: false }
}
