import { readFileSync } from "node:fs"
import { posix } from "node:path"
import { parseAst } from "rolldown/parseAst"

/** Which types the public API mentions, by the syntax trees of the files that declare it. */

interface SyntaxNode {
  readonly type: string
  readonly [key: string]: unknown
}

/** Where a name of this file comes from. */
interface Origin {
  readonly file: string
  readonly name: string
}

interface Module {
  /** Declarations at the top, exported or not, by name. */
  readonly declared: ReadonlyMap<string, SyntaxNode>
  /** Names from relative imports. */
  readonly imported: ReadonlyMap<string, Origin>
  /** Names from relative re-exports. */
  readonly reexported: ReadonlyMap<string, Origin>
}

/** The names that `index` exports, each with the file that declares it. Paths are relative to `root`. */
export function exportsOf(root: string, index: string): ReadonlyMap<string, Origin> {
  return moduleAt(root, index).reexported
}

/** One line for each type that a public declaration mentions and no consumer can name. */
export function unnameable(root: string, index: string): string[] {
  const exported = exportsOf(root, index)
  const known = new Set([...exported.values()].map(keyOf))
  const found = new Set<string>()
  for (const [name, origin] of exported) {
    const module = moduleAt(root, origin.file)
    const declaration = module.declared.get(origin.name)
    if (declaration === undefined) throw new Error(`${origin.file} declares no ${origin.name}`)
    for (const mentioned of mentionedIn(declaration)) {
      const from =
        module.imported.get(mentioned) ??
        (module.declared.has(mentioned) ? { file: origin.file, name: mentioned } : undefined)
      if (from !== undefined && !known.has(keyOf(from)))
        found.add(`${name} mentions ${from.name} of ${from.file}`)
    }
  }
  return [...found].toSorted()
}

function keyOf({ file, name }: Origin): string {
  return `${file} ${name}`
}

const modules = new Map<string, Module>()

function moduleAt(root: string, file: string): Module {
  const path = posix.join(root, file)
  const known = modules.get(path)
  if (known !== undefined) return known
  const module = read(file, readFileSync(path, "utf8"))
  modules.set(path, module)
  return module
}

function read(file: string, code: string): Module {
  const declared = new Map<string, SyntaxNode>()
  const imported = new Map<string, Origin>()
  const reexported = new Map<string, Origin>()
  for (const node of (parseAst(code, { lang: "ts" }) as unknown as { body: SyntaxNode[] }).body) {
    const from = isNode(node["source"]) ? textOf(node["source"]) : undefined
    if (from !== undefined) {
      if (!from.startsWith(".")) continue
      const target = posix.join(posix.dirname(file), from)
      for (const one of nodesIn(node["specifiers"])) {
        const [far, near] =
          node.type === "ImportDeclaration"
            ? [one["imported"], one["local"]]
            : [one["local"], one["exported"]]
        const into = node.type === "ImportDeclaration" ? imported : reexported
        into.set(textOf(near), { file: target, name: textOf(far) })
      }
      continue
    }
    const declaration = isNode(node["declaration"]) ? node["declaration"] : node
    if (declaration.type === "VariableDeclaration")
      for (const one of nodesIn(declaration["declarations"])) declared.set(textOf(one["id"]), one)
    else if (isNode(declaration["id"])) declared.set(textOf(declaration["id"]), declaration)
  }
  return { declared, imported, reexported }
}

/** Names in the places of types; what a function or a private member does inside is no part of its signature. */
function mentionedIn(declaration: SyntaxNode): Set<string> {
  const names = new Set<string>()
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) visit(one)
    if (!isNode(value)) return
    if (value.type === "BlockStatement" || isNode(value["key"], "PrivateIdentifier")) return
    if (value.type === "TSTypeReference") names.add(leftmost(value["typeName"]))
    if (value.type === "TSInterfaceHeritage") names.add(leftmost(value["expression"]))
    for (const key in value) if (key !== "init" && key !== "value") visit(value[key])
    // Of a method, its function; of a property, whatever it is set to is no type.
    if (value.type === "MethodDefinition") visit(value["value"])
  }
  visit(declaration)
  return names
}

function leftmost(name: unknown): string {
  return isNode(name) && isNode(name["left"]) ? leftmost(name["left"]) : textOf(name)
}

function textOf(node: unknown): string {
  return isNode(node) ? String(node["name"] ?? node["value"]) : ""
}

function nodesIn(value: unknown): SyntaxNode[] {
  return Array.isArray(value) ? value.filter((one) => isNode(one)) : []
}

function isNode(value: unknown, type?: string): value is SyntaxNode {
  const is = typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string"
  return is && (type === undefined || (value as SyntaxNode).type === type)
}
