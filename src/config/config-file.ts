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
 * From YAML to a frozen value that follows a schema. Everything that is wrong is
 * found in one go and told with file, line and column. It knows nothing of what
 * the keys mean.
 */

/** `ERR_CONFIG`: the first problem is the message, `others` are the rest, in the order of the file. */
export class ConfigError extends PurserError {
  readonly others: readonly { readonly message: string; readonly hint?: string | undefined }[]

  constructor(problems: readonly { message: string; hint?: string | undefined }[], cause?: unknown) {
    const [first, ...others] = problems
    super("ERR_CONFIG", first?.message ?? "the configuration cannot be used", { hint: first?.hint, cause })
    this.others = others
  }
}

/** Both as they stand in the file (`plain`) and as the schema made them (`value`). Deeply frozen. */
export interface ParsedConfig<T> {
  readonly plain: unknown
  readonly value: T
}

/** How often all aliases together may repeat a node: a file of a kilobyte could otherwise become gigabytes. */
const maxAliasCount = 100

/** `file` is how messages call it. An empty file is an empty mapping. Throws {@link ConfigError}. */
export function parseConfig<T>(text: string, file: string, schema: z.ZodType<T>): ParsedConfig<T> {
  const lines = new LineCounter()
  const document = parseYaml(text, file, lines)
  let plain: unknown
  try {
    plain = (document.toJS({ maxAliasCount }) as unknown) ?? {}
  } catch (error) {
    // Every alias has its anchor, so there is only one thing left that the library refuses.
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

/** The same for a value that came from elsewhere than a file. Throws {@link ConfigError}. */
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
      message: code === "DUPLICATE_KEY" ? `${quote(key)} stands here twice` : yamlFault(code),
    }
  })
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return
      faults.push({ offset: startOf(alias) ?? 0, message: `there is no anchor &${alias.source} before this` })
    },
    Pair(_, { key }) {
      // Objects of JavaScript would swallow it without a word.
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

/** One mistake of syntax may lead to thousands. */
const maxFaults = 10

/** Not the parser's own words, since they repeat pieces of the file. */
function yamlFault(code: YAMLError["code"]): string {
  const words: Partial<Record<YAMLError["code"], string>> = {
    BAD_INDENT: "the indentation does not fit what is above",
    TAB_AS_INDENT: "a tab where spaces indent",
    MISSING_CHAR: "a quote, bracket, comma or colon is missing",
    MULTIPLE_DOCS: "a second document begins; a configuration is one",
    TAG_RESOLVE_FAILED: "a tag (!…) that means nothing here",
    BLOCK_AS_IMPLICIT_KEY:
      "a mapping within a line that is a mapping already; is a quote missing around a colon?",
    MULTILINE_IMPLICIT_KEY: "a key that goes over several lines; is a colon missing?",
    BAD_SCALAR_START: "text that starts with this character needs quotes",
    BAD_DQ_ESCAPE: "a backslash sequence that does not exist; use single quotes for plain backslashes",
    NON_STRING_KEY: "a key that is no text",
  }
  return words[code] ?? "this cannot be read as YAML"
}

function locationOf(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return line === 0 ? file : `${file}:${line}:${col}`
}

/** Where in the text the problem is: its key, or its value, or the nearest thing above that exists. */
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
