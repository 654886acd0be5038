import { globalRegistry, type z } from "zod"
import { nearest } from "./nearest.ts"
import { quote } from "../base/names.ts"

/**
 * A problem that zod found, in our own words: with the key, the nearest known key
 * or the expected type. It may not repeat a value, because a user may have
 * written a secret where its source belongs.
 */
export interface Problem {
  /** Keys and indices from the root. */
  readonly path: readonly PropertyKey[]
  /** Whether the last key of the path is wrong, and not its value. */
  readonly atKey: boolean
  readonly message: string
  readonly hint?: string | undefined
}

export function problemsOf(
  schema: z.ZodType,
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
): Problem[] {
  return issues.flatMap((issue) => problemsOfIssue(schema, value, issue, []))
}

function problemsOfIssue(
  root: z.core.$ZodType,
  value: unknown,
  issue: z.core.$ZodIssue,
  above: readonly PropertyKey[],
): Problem[] {
  const path = [...above, ...issue.path]
  const here = keyPath(path)
  const input = valueAt(value, issue.path)
  const say = (message: string, hint?: string): Problem[] => [{ path, atKey: false, message, hint }]
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = keysOf(schemasAt(root, issue.path))
      return issue.keys.map((key) => unknownKey(path, key, known))
    }
    case "invalid_type":
      if (input === undefined) {
        const inside = keyPath(path.slice(0, -1))
        const key = String(path.at(-1))
        return [{ path: path.slice(0, -1), atKey: true, message: `${inside} lacks ${quote(key)}` }]
      }
      return say(
        `${here} is ${typeName(input)}, not ${typeNameOf(issue.expected)}`,
        examplesOf(schemasAt(root, issue.path)),
      )
    case "invalid_value": {
      const allowed = issue.values.map(String)
      return say(`${here} is not one of ${allowed.join(", ")}`, didYouMean(input, allowed))
    }
    case "invalid_key": {
      const [first] = issue.issues
      const message = `${quote(String(path.at(-1)))} is ${first?.message ?? "not allowed as a key here"}`
      return [{ path, atKey: true, message, hint: hintOf(first) }]
    }
    case "invalid_union":
      return problemsOfUnion(root, value, issue, above)
    case "too_small":
      return say(
        `${here} is too ${issue.origin === "number" ? "small" : "short"}`,
        `use at least ${issue.minimum}`,
      )
    case "too_big":
      return say(
        `${here} is too ${issue.origin === "number" ? "large" : "long"}`,
        `use at most ${issue.maximum}`,
      )
    case "custom": {
      const atKey = issue.params?.["atKey"] === true
      return [{ path, atKey, message: `${here}: ${issue.message}`, hint: hintOf(issue) }]
    }
    default:
      return say(`${here}: ${issue.message}`)
  }
}

/** Reports the problems of the intended option, which is the one whose first key is present. */
function problemsOfUnion(
  root: z.core.$ZodType,
  value: unknown,
  issue: z.core.$ZodIssueInvalidUnion,
  above: readonly PropertyKey[],
): Problem[] {
  const path = [...above, ...issue.path]
  const input = valueAt(value, issue.path)
  const options = schemasAt(root, issue.path)
  if (isMapping(input)) {
    const intended = options.findIndex((option) => {
      const [first] = keysOf([option])
      return first !== undefined && Object.hasOwn(input, first)
    })
    const [option, issues] = [options[intended], issue.errors[intended]]
    if (option !== undefined && issues !== undefined) {
      return issues.flatMap((inner) => problemsOfIssue(option, input, inner, path))
    }
    const known = keysOf(options)
    const unknown = Object.keys(input).filter((key) => !known.includes(key))
    if (unknown.length > 0 && known.length > 0) return unknown.map((key) => unknownKey(path, key, known))
  }
  const words = options.flatMap(wordsOf)
  const keys = options.flatMap((option) => keysOf([option]).slice(0, 1))
  const ways = [
    ...words.map((word) => quote(word)),
    ...(keys.length > 0 ? [`a mapping with ${keys.join(", ")}`] : []),
  ]
  const isShort = typeof input === "string" && input.length < 20
  const near = isShort ? nearest(input, words) : undefined
  const message =
    isMapping(input) && keys.length > 0
      ? `${keyPath(path)} needs one of ${keys.join(", ")}`
      : input === null
        ? `${keyPath(path)} is empty`
        : `${keyPath(path)} is ${typeName(input)} that cannot be used here`
  const hint = near === undefined ? `write ${ways.join(", or ")}` : `did you mean ${quote(near)}?`
  return [{ path, atKey: false, message, hint: ways.length > 0 ? hint : undefined }]
}

function unknownKey(path: readonly PropertyKey[], key: string, known: readonly string[]): Problem {
  const inside = path.length > 0 ? ` in ${keyPath(path)}` : ""
  const near = nearest(key, known)
  return {
    path: [...path, key],
    atKey: true,
    message: `unknown key ${quote(key)}${inside}`,
    hint: near === undefined ? `known keys: ${known.join(", ")}` : `did you mean ${quote(near)}?`,
  }
}

/** Returns a path such as `apps.web.nodes[2]`. */
export function keyPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "the file"
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`
      const text = String(part)
      const shown = /^[\w/*.-]{1,80}$/.test(text) ? text : quote(text)
      return index === 0 ? shown : `.${shown}`
    })
    .join("")
}

function hintOf(issue: z.core.$ZodIssue | undefined): string | undefined {
  const hint: unknown = issue?.code === "custom" ? issue.params?.["hint"] : undefined
  return typeof hint === "string" ? hint : undefined
}

function examplesOf(schemas: readonly z.core.$ZodType[]): string | undefined {
  const examples = schemas.flatMap((schema) => globalRegistry.get(schema)?.examples ?? [])
  return examples.length > 0 ? `for example ${examples.map(String).join(", ")}` : undefined
}

function didYouMean(input: unknown, allowed: readonly string[]): string | undefined {
  const near = typeof input === "string" ? nearest(input, allowed) : undefined
  return near === undefined ? undefined : `did you mean ${quote(near)}?`
}

function typeName(value: unknown): string {
  if (value === null) return "empty"
  if (Array.isArray(value)) return "a list"
  return (
    { string: "text", number: "a number", boolean: "true or false" }[typeof value as string] ?? "a mapping"
  )
}

function typeNameOf(type: string): string {
  const names: Record<string, string> = {
    string: "text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a mapping",
    record: "a mapping",
  }
  return names[type] ?? type
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Record<PropertyKey, unknown>)[part]
  }
  return at
}

/** Returns the schemas that can apply to the value at `path`, which are several for a union. */
function schemasAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType[] {
  const options = optionsOf(schema)
  const [first, ...rest] = path
  if (first === undefined) return options
  return options.flatMap((option) => {
    const { def } = (option as z.core.$ZodTypes)._zod
    const below =
      def.type === "object"
        ? def.shape[String(first)]
        : def.type === "record"
          ? def.valueType
          : def.type === "array"
            ? def.element
            : undefined
    return below === undefined ? [] : schemasAt(below, rest)
  })
}

/** Returns the options of a schema, without wrappers: optional, default, transforms. */
function optionsOf(schema: z.core.$ZodType): z.core.$ZodType[] {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case "union":
      return def.options.flatMap(optionsOf)
    case "optional":
    case "default":
    case "prefault":
    case "nullable":
    case "readonly":
      return optionsOf(def.innerType)
    case "pipe":
      return optionsOf(def.in)
    default:
      return [schema]
  }
}

function keysOf(schemas: readonly z.core.$ZodType[]): string[] {
  const keys = schemas.flatMap((schema) => {
    const { def } = (schema as z.core.$ZodTypes)._zod
    return def.type === "object" ? Object.keys(def.shape) : []
  })
  return [...new Set(keys)]
}

function wordsOf(schema: z.core.$ZodType): string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod
  return def.type === "literal" ? def.values.map(String) : []
}
