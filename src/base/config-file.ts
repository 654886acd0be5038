import { readFile, stat } from "node:fs/promises"
import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Node,
} from "yaml"
import type { z } from "zod"
import { problemsOf, type Problem } from "./config-problems.ts"
import { PurserError, reasonOf, systemErrorCode } from "./errors.ts"
import { quote } from "./names.ts"

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

const maxFileBytes = 1024 * 1024
/** How often all aliases together may repeat a node: a file of a kilobyte could otherwise become gigabytes. */
const maxAliasCount = 100

/** Reads the text of a configuration file. Throws `ERR_CONFIG`. */
export async function readConfigText(file: string): Promise<string> {
  let text: string
  try {
    const { size } = await stat(file)
    if (size > maxFileBytes) throw new Error(`it is larger than ${maxFileBytes} bytes`)
    text = await readFile(file, "utf8")
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") {
      throw new PurserError("ERR_CONFIG", `there is no ${file}`, { cause: error })
    }
    throw new PurserError("ERR_CONFIG", `cannot read ${file}: ${reasonOf(error)}`, { cause: error })
  }
  return text
}

/** `file` is how messages call it. An empty file is an empty mapping. Throws {@link ConfigError}. */
export function parseConfig<T>(text: string, file: string, schema: z.ZodType<T>): ParsedConfig<T> {
  const lines = new LineCounter()
  const document = parseYaml(text, file, lines)
  let plain: unknown
  try {
    plain = (document.toJS({ maxAliasCount }) as unknown) ?? {}
  } catch (error) {
    // yaml says ReferenceError for too many aliases, and that is all that can happen here.
    const message = `${file}: aliases repeat more than ${maxAliasCount} nodes`
    throw new ConfigError([{ message, hint: "write the values out" }], error)
  }
  const result = schema.safeParse(plain)
  if (result.success) return deepFreeze({ plain, value: result.data })
  const found = problemsOf(schema, plain, result.error.issues).map((problem) => {
    const offset = offsetOf(document, problem)
    return { ...problem, offset, message: `${place(file, lines, offset)}: ${problem.message}` }
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

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) deepFreeze(part)
  }
  return value
}

function parseYaml(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  let document: Document.Parsed
  try {
    document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true, uniqueKeys: true })
  } catch (error) {
    // Only nesting so deep that the parser runs out of stack.
    throw new ConfigError(
      [{ message: `${file}: cannot be read as YAML`, hint: "is it nested too deeply?" }],
      error,
    )
  }
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    throw new ConfigError(
      faults.map(({ code, message, pos }) => ({
        message: `${place(file, lineCounter, pos[0])}: ${
          code === "DUPLICATE_KEY"
            ? `key ${quote(/^["']?([^"':\s]*)/.exec(text.slice(pos[0]))?.[1] ?? "")} stands here for the second time`
            : faultWithoutText(message)
        }`,
      })),
    )
  }
  return document
}

/** The parser's own words, without the piece of the file that some of them quote. */
function faultWithoutText(message: string): string {
  const plain = message.replace(/:? ?["'`].*$/s, "").replace(/\.$/, "")
  return `${plain.slice(0, 1).toLowerCase()}${plain.slice(1)}`
}

function place(file: string, lines: LineCounter, offset: number): string {
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
