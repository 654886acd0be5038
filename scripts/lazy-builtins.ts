/**
 * Bundles that load Node's own modules when they are first used. A bundler puts every `require("node:http")` at the
 * top of its file, so that a command which asks no server would still pay for HTTP, TLS and all that they load.
 */
import { RolldownMagicString } from "rolldown"
import { parseAst } from "rolldown/parseAst"

interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** The object in which a chunk keeps the modules that it has loaded. */
const holder = "builtin$"

/**
 * Takes CommonJS as rolldown writes it. `let node_fs = require("node:fs")` becomes a property that loads the module
 * when it is first read, and every use of `node_fs` a use of that property.
 */
export function deferBuiltins(code: string): RolldownMagicString {
  const result = new RolldownMagicString(code)
  const program = parseAst(code) as unknown as { readonly body: readonly SyntaxNode[] }
  const loads = new Map<string, string>()
  const rest: SyntaxNode[] = []
  for (const statement of program.body) {
    const text = code.slice(statement.start, statement.end)
    const [, name, load] = /^let (\w+) = (require\("node:[\w/]+"\));?$/.exec(text) ?? []
    // The form that default imports need is made in a statement of its own, right behind.
    const [, wrapped = "", wrapper] = /^(\w+) = ([\w.]*__toESM)\(\1, 1\);?$/.exec(text) ?? []
    const plain = loads.get(wrapped)
    if (name !== undefined && load !== undefined) loads.set(name, load)
    else if (plain !== undefined) loads.set(wrapped, `${wrapper}(${plain}, 1)`)
    else {
      rest.push(statement)
      continue
    }
    result.remove(statement.start, statement.end)
  }
  if (loads.size === 0) return result
  const names = new Set(loads.keys())
  // Most of a chunk mentions none of them, and need not be walked.
  const places = [...code.matchAll(new RegExp(`\\b(?:${[...names].join("|")})\\b`, "g"))].map(
    ({ index }) => index,
  )
  const mentions = ({ start, end }: SyntaxNode): boolean =>
    (places[firstFrom(places, start)] ?? Infinity) < end
  for (const statement of rest) prefixNames(statement, names, result, mentions)
  // A directive must stay the first statement.
  const first = rest.find((statement) => typeof statement["directive"] !== "string")
  const properties = [...loads].map(
    ([name, load]) => `get ${name}() { return set$(this, "${name}", ${load}) }`,
  )
  const setter = "const set$ = (on, name, value) => (Object.defineProperty(on, name, { value }), value);"
  result.appendLeft(first?.start ?? code.length, `${setter} const ${holder} = { ${properties.join(", ")} };`)
  return result
}

/** Makes `node_fs.readFileSync` into `builtin$.node_fs.readFileSync`. */
function prefixNames(
  node: SyntaxNode,
  names: ReadonlySet<string>,
  result: RolldownMagicString,
  mentions: (node: SyntaxNode) => boolean,
): void {
  if (!mentions(node)) return
  if (node.type === "Identifier" && names.has(node["name"] as string)) {
    result.appendLeft(node.start, `${holder}.`)
    return
  }
  // A package that was CommonJS before may have a variable of the same name within its wrapper.
  const inside = /Function/.test(node.type) ? without(names, declaredIn(node, mentions)) : names
  for (const [key, value] of Object.entries(node)) {
    // A property's name is no use of a variable.
    if ((key === "property" || key === "key") && node["computed"] !== true) continue
    for (const child of nodesIn(value)) prefixNames(child, inside, result, mentions)
  }
}

const declarations = new WeakMap<SyntaxNode, Set<string>>()

/** Names of the parameters and variables below a node, those of the functions within it included. */
function declaredIn(node: SyntaxNode, mentions: (node: SyntaxNode) => boolean): Set<string> {
  const known = declarations.get(node)
  if (known !== undefined) return known
  if (!mentions(node)) return new Set()
  const declared = new Set<string>()
  const binding = node.type === "VariableDeclarator" ? nodesIn(node["id"]) : []
  for (const { type, name } of [...binding, ...nodesIn(node["params"])])
    if (type === "Identifier") declared.add(name as string)
  for (const child of Object.values(node).flatMap(nodesIn))
    for (const name of declaredIn(child, mentions)) declared.add(name)
  declarations.set(node, declared)
  return declared
}

/** Index of the first of these ascending numbers that is not below `least`. */
function firstFrom(numbers: readonly number[], least: number): number {
  let [low, high] = [0, numbers.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((numbers[middle] ?? 0) < least) low = middle + 1
    else high = middle
  }
  return low
}

function without(names: ReadonlySet<string>, others: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...names].filter((name) => !others.has(name)))
}

function nodesIn(value: unknown): SyntaxNode[] {
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.filter((one) => typeof one === "object" && one !== null && "type" in one) as SyntaxNode[]
}
