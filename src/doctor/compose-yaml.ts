import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLMap,
} from "yaml"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"

/** A Compose file's YAML with line numbers. Aliases are resolved and merges (`<<`) applied, as Compose does. */
export class ComposeYaml {
  readonly #document: Document.Parsed
  readonly #lines: LineCounter

  /** `name` is the file's name in messages. Throws `ERR_CONFIG` for invalid YAML. */
  constructor(text: string, name: string) {
    this.#lines = new LineCounter()
    this.#document = parseDocument(text, { lineCounter: this.#lines, merge: true, logLevel: "silent" })
    const fail = (offset: number, problem: string): PurserError => {
      const { line, col } = this.#lines.linePos(offset)
      return new PurserError("ERR_CONFIG", `${name}:${line}:${col}: ${problem}`, {
        hint: "run docker compose config for the parser's full message",
      })
    }
    const [problem] = this.#document.errors
    // The parser's message is left out because it quotes the file.
    if (problem !== undefined) throw fail(problem.pos[0], `this is not valid YAML: ${problem.code}`)
    visit(this.#document, {
      Alias: (_, alias) => {
        if (alias.resolve(this.#document) === undefined)
          throw fail(alias.range?.[0] ?? 0, `the alias ${quote(alias.source)} has no anchor before it`)
      },
    })
    try {
      this.#document.toJS({ maxAliasCount })
    } catch (error) {
      throw new PurserError(
        "ERR_CONFIG",
        `${name}: its aliases expand too far, or it merges a value that is not a mapping`,
        {
          hint: "write the values out",
          cause: error,
        },
      )
    }
  }

  /** Returns keys with their values; merged keys follow the mapping's own. */
  entries(node: unknown): { readonly key: string; readonly at: Node; readonly value: unknown }[] {
    const found = new Map<string, { key: string; at: Node; value: unknown }>()
    this.#gather(node, found, new Set())
    return [...found.values()]
  }

  /** Returns the node at a path such as `build.args`, from `from` or the top. Undefined if a step is missing. */
  get(path: string, from: unknown = this.#document.contents): unknown {
    let node = this.resolve(from)
    for (const step of path.split(".")) {
      node = this.resolve(this.entries(node).find(({ key }) => key === step)?.value)
    }
    return node
  }

  resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node
  }

  items(node: unknown): readonly Node[] {
    const list = this.resolve(node)
    return isSeq(list) ? (list.items as Node[]) : []
  }

  /** Returns the node's line, from 1. */
  lineOf(node: unknown): number {
    const range = (node as Node | null | undefined)?.range
    return this.#lines.linePos(range?.[0] ?? 0).line
  }

  #gather(
    node: unknown,
    found: Map<string, { key: string; at: Node; value: unknown }>,
    seen: Set<unknown>,
  ): void {
    const map = this.resolve(node)
    // A mapping can be merged into itself.
    if (!isMap(map) || seen.has(map)) return
    seen.add(map)
    const merged: unknown[] = []
    for (const { key, value } of (map as YAMLMap).items.filter(isPair)) {
      if (!isScalar(key)) continue
      // The parser turns the key `<<` into a symbol.
      const name = typeof key.value === "symbol" ? key.value.description : String(key.value)
      if (name === "<<") merged.push(value)
      else if (name !== undefined && !found.has(name)) found.set(name, { key: name, at: key, value })
    }
    for (const value of merged) {
      const list = this.items(value)
      for (const one of list.length > 0 ? list : [value]) this.#gather(one, found, seen)
    }
  }
}

/** Limits alias expansion, because a file of a kilobyte could otherwise expand to gigabytes. */
const maxAliasCount = 300

/**
 * Replaces variables as Compose does with an empty environment: `${NAME:-default}` by its default, others by nothing.
 */
export function literal(value: unknown): string {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : ""
  return text
    .replace(/\$\$/g, "\u0000")
    .replace(/\$\{\w+:?-([^}]*)\}/g, "$1")
    .replace(/\$\{\w+(?::?[?+][^}]*)?\}|\$\w+/g, "")
    .replaceAll("\u0000", "$")
}
