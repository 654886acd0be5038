import { Command, Option } from "commander"
import { PurserError } from "../base/errors.ts"
import { version } from "../base/version.ts"
import type { CommandAction } from "./command.ts"
import { groups, type CommandEntry } from "./commands.ts"

/** Builds commander's program: every command by name, and the one that is called with its options. */

const commonOptions = [
  new Option("--state <dir>", "state directory (or PURSER_STATE)"),
  new Option("--config <file>", "configuration file (default: ./purser.yaml, if it exists)"),
  new Option("--json", "print one JSON object per line"),
  new Option("-v, --verbose", "print details"),
]

/** Adds every command, and loads the definition of the one that is called. */
export async function buildProgram(
  program: Command,
  argv: readonly string[],
  action: CommandAction,
): Promise<void> {
  program
    .description("Gets secrets into running containers, and leaves no plaintext on the way.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this text")
    .configureHelp({ subcommandTerm: termOf })
    .showSuggestionAfterError(true)
  const words = commandWords(argv)
  if (words[0] === "node" || words[0] === "health") {
    throw new PurserError("ERR_USAGE", `the options of ${words[0]} come after its name`, {
      hint: `see \`purser ${words[0]} --help\``,
    })
  }
  for (const { title, commands } of groups) {
    for (const entry of commands) {
      const command = program.command(entry.name).summary(entry.summary).description(sentence(entry.summary))
      command.helpGroup(title).helpCommand(false)
      if (entry.alias !== undefined) command.alias(entry.alias)
      if (words[0] !== undefined && [entry.name, entry.alias].includes(words[0]))
        await load(entry, command, action, words.slice(1))
    }
  }
  const help = new Command("help").argument("[command]").summary("print the help of a command")
  program.addHelpCommand(help.helpGroup(groups.at(-1)?.title ?? ""))
  addCommonOptions(program)
}

/** Loads the definition of a command, or of its subcommand if that is called. */
async function load(
  entry: CommandEntry,
  command: Command,
  action: CommandAction,
  words: readonly string[],
): Promise<void> {
  const called = entry.below?.find(({ name }) => name === words[0])
  // Help lists the subcommands of this file first, then those with files of their own.
  if (called === undefined && entry.load !== undefined) (await entry.load()).define(command, action)
  for (const below of entry.below ?? []) {
    const child = command.command(below.name).summary(below.summary).description(sentence(below.summary))
    if (below === called) await load(below, child, action, words.slice(1))
  }
}

/** The first two words that are neither options nor their values: `--state /s nodes ls` gives nodes, ls. Skips `help`. */
export function commandWords(argv: readonly string[]): string[] {
  const words: string[] = []
  for (let index = 0; index < argv.length && words.length < 2; index++) {
    const word = argv[index] ?? ""
    if (word === "--state" || word === "--config") index++
    else if (!word.startsWith("-") && word !== "help") words.push(word)
  }
  return words
}

function addCommonOptions(command: Command): void {
  const taken = new Set(command.options.map(({ long }) => long))
  for (const option of commonOptions) if (!taken.has(option.long)) command.addOption(option)
  for (const child of command.commands) addCommonOptions(child)
}

function termOf(command: Command): string {
  const args = command.registeredArguments.map(
    (argument) => ` <${argument.name()}${argument.variadic ? "..." : ""}>`,
  )
  return [command.name(), ...command.aliases()].join(", ") + args.join("")
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}
