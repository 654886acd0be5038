import type { CommandSpec, OptionSpec, ValueSpec } from "./spec.ts"

/** The place in a command line of the word to be completed. */
export interface Place {
  readonly spec: CommandSpec
  /** The typed part of the word, without its prefix (`--file=`). */
  readonly word: string
  /** The part before an option's value, `--file=`, or empty. */
  readonly prefix: string
  /** The option whose value the word is. */
  readonly option: OptionSpec | undefined
  /** The argument that the word may be; undefined when the command takes no further one. */
  readonly arg: ValueSpec | undefined
  /** Whether the word may be a command's name. */
  readonly command: boolean
  /** Whether the word may be an option. False after `--`, where the words belong to another program. */
  readonly options: boolean
  /** The options before the word, with their values. */
  readonly given: ReadonlyMap<OptionSpec, string>
}

/** Finds the place of the last of `words`. Reads the words before it as commander does. */
export function findPlace(root: CommandSpec, words: readonly string[]): Place {
  const word = words.at(-1) ?? ""
  let spec = root
  let given = new Map<OptionSpec, string>()
  let position = 0
  let ended = false
  for (let index = 0; index < words.length - 1; index++) {
    const before = words[index] ?? ""
    const child = position === 0 && !ended ? spec.child(before) : undefined
    if (ended) position++
    else if (before === "--") ended = true
    else if (/^-./.test(before)) {
      const [name, inline] = split(before)
      const option = optionOf(spec, name)
      if (option === undefined) continue
      if (option.value !== undefined && inline === undefined && index === words.length - 2)
        return { ...nowhere(spec, given), word, prefix: "", option }
      const value = inline ?? (option.value === undefined ? "" : (words[++index] ?? ""))
      given.set(option, value)
    } else if (child !== undefined) {
      spec = child
      // Options before the command's name apply to it too. They are matched by name, because each command has its own objects.
      given = new Map(
        [...given].map(([option, value]) => [optionOf(child, option.names.at(-1) ?? "") ?? option, value]),
      )
    } else position++
  }
  const [name, inline] = split(word)
  const option = ended || inline === undefined ? undefined : optionOf(spec, name)
  if (option !== undefined) return { ...nowhere(spec, given), word: inline ?? "", prefix: `${name}=`, option }
  const last = spec.args.at(-1)
  const arg = spec.args[position] ?? (last?.variadic === true ? last : undefined)
  return {
    ...nowhere(spec, given),
    word,
    prefix: "",
    arg,
    command: position === 0 && !ended,
    options: !ended,
  }
}

function nowhere(spec: CommandSpec, given: Place["given"]): Place {
  return {
    spec,
    word: "",
    prefix: "",
    option: undefined,
    arg: undefined,
    command: false,
    options: false,
    given,
  }
}

/** `--file=x` → `--file`, `x`. */
function split(word: string): [name: string, value: string | undefined] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

function optionOf({ options }: CommandSpec, name: string): OptionSpec | undefined {
  return options.find(({ names }) => names.includes(name))
}
