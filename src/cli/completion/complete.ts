import { isPurserError } from "../../base/errors.ts"
import { findPlace, type Place } from "./place.ts"
import { specFor, type OptionSpec } from "./spec.ts"
import { valueKindOf, namesOfKind, type CompletionContext, type ValueKind } from "./values.ts"

/**
 * `purser __complete WORD…` completes its last word, for the scripts of `purser completion` and for `docker purser`. Prints
 * one candidate per line, with a tab before its summary, then `:` and the sum of these directives, as cobra does:
 */
const noSpace = 2
const noFiles = 4
const directoriesOnly = 16

/** Prints the answer. Never fails, because a shell cannot show an error here. */
export async function main(
  words: readonly string[],
  { env, stdout }: Pick<NodeJS.Process, "env" | "stdout">,
  withSummaries = true,
): Promise<number> {
  const { candidates, directive } = await complete(words, env)
  const lines = candidates.map(({ value, summary }) =>
    withSummaries && summary !== "" ? `${value}\t${summary}` : value,
  )
  stdout.write([...lines, `:${directive}\n`].join("\n"))
  return 0
}

export interface Candidate {
  readonly value: string
  readonly summary: string
}

export interface Completion {
  readonly candidates: readonly Candidate[]
  /** A sum of {@link noSpace} and the others. */
  readonly directive: number
}

/** Resolves with the completions of the last word. */
export async function complete(words: readonly string[], env: NodeJS.ProcessEnv): Promise<Completion> {
  const place = findPlace(await specFor(words), words)
  const named = place.option === undefined ? [...commandsAt(place), ...optionsAt(place)] : []
  const values = await valuesAt(place, env)
  const candidates = [...named, ...values.candidates].filter(({ value }) =>
    value.startsWith(place.prefix + place.word),
  )
  return { candidates, directive: values.directive }
}

function commandsAt({ spec, command }: Place): Candidate[] {
  if (!command) return []
  return spec.commands.flatMap(({ names, summary }) => names.map((value) => ({ value, summary })))
}

/** The options, once a dash is typed. Omits given options that are not repeatable. */
function optionsAt({ spec, word, options, given }: Place): Candidate[] {
  if (!options || !word.startsWith("-")) return []
  return spec.options
    .filter((option) => option.repeatable || !given.has(option))
    .flatMap(({ names, summary }) => names.map((value) => ({ value, summary })))
}

async function valuesAt(place: Place, env: NodeJS.ProcessEnv): Promise<Completion> {
  const { option, arg, prefix, word } = place
  const choices = option?.value?.choices ?? arg?.choices ?? []
  const plain = (values: readonly string[], directive: number): Completion => ({
    candidates: values.map((value) => ({ value: prefix + value, summary: "" })),
    directive,
  })
  if (choices.length > 0) return plain(choices, noFiles)
  if (option === undefined && word.startsWith("-")) return plain([], noFiles)
  if (!place.options && option === undefined) return plain([], 0)
  const kind = valueKindOf(place)
  const names = await namesOfKind(kind, contextOf(place, env)).catch(quiet)
  if (kind === "container-or-file") return containerPaths(names, word)
  if (kind === "container" && option === undefined) return plain(withColons(names), noSpace | noFiles)
  return plain(names, directiveOf(kind))
}

/** A path in a container is not ours to look into; before the colon a file may be meant as well. */
function containerPaths(names: readonly string[], word: string): Completion {
  if (/^[\w.-]*:/.test(word)) return { candidates: [], directive: noSpace | noFiles }
  return {
    candidates: withColons(names).map((value) => ({ value, summary: "container" })),
    directive: noSpace,
  }
}

function withColons(names: readonly string[]): string[] {
  return names.map((name) => `${name}:`)
}

function directiveOf(kind: ValueKind): number {
  if (kind === "file") return 0
  return kind === "directory" ? directoriesOnly : noFiles
}

/** No candidates for any error, such as a missing engine or an invalid configuration. */
function quiet(error: unknown): readonly string[] {
  if (isPurserError(error) || error instanceof Error) return []
  throw error
}

function contextOf({ given }: Place, env: NodeJS.ProcessEnv): CompletionContext {
  const value = (name: string): string | undefined => {
    const found = [...given].find(([{ names }]: [OptionSpec, string]) => names.includes(name))
    return found?.[1]
  }
  return { env, state: value("--state"), config: value("--config") }
}
