import { isAlias, isMap, isScalar, isSeq, parseDocument } from "yaml"
import { PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"

/**
 * Returns the text at `key` (`a.b`, `list.0`) of JSON or YAML, or null if it is missing or null. A key that itself
 * contains dots is found too. Numbers keep their spelling: 007 and twenty digits stay as they are. `what` names the
 * text in messages, which never repeat its content. Throws `ERR_SOURCE`.
 */
export function pick(text: string, key: string, what: string): string | null {
  // JSON is YAML, so one parser that keeps the source of each scalar does for both.
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, logLevel: "silent" })
  if (document.errors.length > 0) {
    throw new PurserError("ERR_SOURCE", `${what} gave neither JSON nor YAML`, {
      hint: "leave out key: to take the whole output",
    })
  }
  const resolve = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node)
  const find = (node: unknown, parts: readonly string[]): unknown => {
    const here = resolve(node)
    if (parts.length === 0) return here
    for (let count = parts.length; count > 0; count--) {
      const child = childOf(here, parts.slice(0, count).join("."))
      const found = child === undefined ? undefined : find(child, parts.slice(count))
      if (found !== undefined) return found
    }
    return undefined
  }
  const found = find(document.contents, key.split("."))
  if (found === undefined) return null
  if (!isScalar(found)) {
    throw new PurserError("ERR_SOURCE", `${quote(key)} in the output of ${what} is not a single value`)
  }
  if (found.value === null) return null
  return typeof found.value === "string" ? found.value : (found.source ?? null)
}

function childOf(node: unknown, key: string): unknown {
  if (isSeq(node)) return /^\d{1,9}$/.test(key) ? node.items[Number(key)] : undefined
  if (!isMap(node)) return undefined
  return node.items.find((pair) => isScalar(pair.key) && pair.key.source === key)?.value
}
