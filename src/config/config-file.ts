import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLError,
} from "yaml"
import type { z } from "zod"
import { PurserError } from "../base/errors.ts"
import { deepFreeze } from "./deep-freeze.ts"
import { problemsOf, type Problem } from "./problems.ts"
import { quote } from "../base/names.ts"

/**
 * Parses YAML into a frozen value that follows a schema. All problems are reported
 * at once, each with file, line and column. It may not know what the keys mean,
 * nor repeat a value, which may be a secret in the wrong place.
 */

/** An `ERR_CONFIG` whose message is the first problem; `others` are the remaining ones, in the order of the file. */
export class ConfigError extends PurserError {
  readonly others: readonly { readonly message: string; readonly hint?: string | undefined }[]

  constructor(problems: readonly { message: string; hint?: string | undefined }[], cause?: unknown) {
    const [first, ...others] = problems
    super("ERR_CONFIG", first?.message ?? "the configuration cannot be used", { hint: first?.hint, cause })
    this.others = others
  }
}

/** A configuration as written (`plain`) and as the schema transformed it (`value`). Both are deeply frozen. */
export interface ParsedConfig<T> {
  readonly plain: unknown
  readonly value: T
}

/** How often all aliases together may repeat a node, because a file of a kilobyte could otherwise become gigabytes. */
const maxAliasCount = 100

/**
 * Parses a configuration. `file` is its name in messages. An empty file is an empty mapping. Throws {@link
 * ConfigError}.
 */
export function parseConfig<T>(text: string, file: string, schema: z.ZodType<T>): ParsedConfig<T> {
  const lines = new LineCounter()
  const document = parseYaml(text, file, lines)
  let plain: unknown
  try {
    plain = (document.toJS({ maxAliasCount }) as unknown) ?? {}
  } catch (error) {
    // Every alias has its anchor here, so too many aliases are the only error left.
    const message = `${file}: aliases repeat more than ${maxAliasCount} nodes`
    throw new ConfigError([{ message, hint: "write the values out" }], error)
  }
  const result = schema.safeParse(plain)
  if (result.success) return deepFreeze({ plain, value: result.data })
  const found = problemsOf(schema, plain, result.error.issues).map((problem) => {
    const offset = offsetOf(document, problem)
    return { ...problem, offset, message: `${locationOf(file, lines, offset)}: ${problem.message}` }
  })
  throw new ConfigError(
    found.toSorted((a, b) => a.offset - b.offset).map(({ message, hint }) => ({ message, hint })),
  )
}

/** Checks a value that does not come from a file. Throws {@link ConfigError}. */
export function checkConfig<T>(plain: unknown, schema: z.ZodType<T>): ParsedConfig<T> {
  const result = schema.safeParse(plain)
  if (result.success) return deepFreeze({ plain, value: result.data })
  throw new ConfigError(problemsOf(schema, plain, result.error.issues))
}

function parseYaml(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  const document = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: true,
  })
  const faults = [...document.errors, ...document.warnings].map(({ code, pos, message }) => {
    if (/stack/i.test(message)) return { offset: pos[0], message: tooDeep }
    const key = /^["']?([^"':\s]*)/.exec(text.slice(pos[0]))?.[1] ?? ""
    return {
      offset: pos[0],
      message: code === "DUPLICATE_KEY" ? `duplicate key ${quote(key)}` : yamlFault(code),
    }
  })
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return
      faults.push({
        offset: startOf(alias) ?? 0,
        message: `the alias *${alias.source} has no anchor before it`,
      })
    },
    Pair(_, { key }) {
      // A JavaScript object would drop this key silently.
      if (!isScalar(key) || key.value !== "__proto__") return
      faults.push({ offset: startOf(key) ?? 0, message: 'unknown key "__proto__"' })
    },
  })
  if (faults.length === 0) return document
  const deep = faults.find(({ message }) => message === tooDeep)
  const problems = deep === undefined ? faults.slice(0, maxFaults) : [deep]
  throw new ConfigError(
    problems.map(({ offset, message }) => ({
      message: `${locationOf(file, lineCounter, offset)}: ${message}`,
    })),
  )
}

const tooDeep = "nested too deeply"

/** The maximum of reported syntax errors, because one mistake may cause thousands. */
const maxFaults = 10

/** Returns a message for a syntax error. The parser's own is not used because it quotes the file. */
function yamlFault(code: YAMLError["code"]): string {
  const words: Partial<Record<YAMLError["code"], string>> = {
    BAD_INDENT: "the indentation does not match the lines above",
    TAB_AS_INDENT: "a tab in the indentation; use spaces",
    MISSING_CHAR: "a quote, bracket, comma or colon is missing",
    MULTIPLE_DOCS: "a second document begins, but a configuration is a single document",
    TAG_RESOLVE_FAILED: "unknown tag (!…)",
    BLOCK_AS_IMPLICIT_KEY: "a second mapping within one line; text with a colon needs quotes",
    MULTILINE_IMPLICIT_KEY: "a key over several lines; a colon may be missing",
    BAD_SCALAR_START: "text that starts with this character needs quotes",
    BAD_DQ_ESCAPE: "unknown backslash sequence; use single quotes for plain backslashes",
    NON_STRING_KEY: "a key must be text",
  }
  return words[code] ?? "this cannot be read as YAML"
}

function locationOf(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return line === 0 ? file : `${file}:${line}:${col}`
}

/** Returns the offset of the problem's key or value, or of its nearest parent that exists in the text. */
function offsetOf(document: Document.Parsed, { path, atKey }: Problem): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [index, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    let next: unknown
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === part)
      const isLast = index === path.length - 1
      next = isPair(pair) ? (isLast && atKey ? pair.key : (pair.value ?? pair.key)) : undefined
    } else if (isSeq(node) && typeof part === "number") {
      next = node.items[part]
    }
    if (next === undefined) break
    offset = startOf(next) ?? offset
    node = next
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}
