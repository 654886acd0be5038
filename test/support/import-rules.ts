import { posix } from "node:path"
import { parseAst } from "rolldown/parseAst"

/**
 * The import rules of the design, section 5, as a function of source texts, so that a test can plant
 * violations and see them found. Reads the syntax tree, so comments and strings are not mistaken for code.
 */

/** Each folder may import what stands in a row above its own, and itself: never sideways, never below. */
export const rows: readonly (readonly string[])[] = [
  ["base"],
  ["x509", "env"],
  ["config"],
  ["channel", "files", "audit", "docker", "vault"],
  ["state", "rollout"],
  ["ca", "images"],
  ["sources", "mounts"],
  ["node", "copy", "jobs", "stack"],
  ["apps"],
  ["agent", "doctor"],
  ["server"],
  ["wiring"], // the composition root
  ["index.ts"], // the public API: whatever an application may build on, and nobody here builds on it
  ["cli"],
]

/** What goes into other people's containers: it and all that it reaches imports nothing from npm. */
const nodeOnly = /^src\/(?:base|x509|env|channel|files|rollout|node|cli\/node)\//

/** Belongs to src/cli alone, which reads the command line and the environment, and ends the process. */
const ofTheProcess = new Set(["argv", "argv0", "execArgv", "env", "exit", "exitCode", "reallyExit", "abort"])

/**
 * What opens things by a configuration, by file. Only src/wiring and the folder itself may import these names as values,
 * so that what stands in a purser.yaml means the same for every command, the library and the server.
 */
export const openers: Readonly<Record<string, readonly string[]>> = {
  "src/agent/agent.ts": ["Agent"],
  "src/agent/certificates.ts": ["certificatesOf"],
  "src/ca/ca.ts": ["Ca"],
  "src/docker/engine.ts": ["connectEngine"],
  "src/sources/open-catalogue.ts": ["createCatalogue"],
  "src/sources/store/store.ts": ["SecretStore"],
  "src/state/open.ts": ["openStateDir"],
  "src/state/state.ts": ["openState"],
}
const compositionRoot = "wiring"

/** FluxVault's own protocol: nothing knows of it but itself and the two places that choose a protocol. */
const insideFluxvault = "src/channel/fluxvault/"
const choosesFluxvault = new Set(["src/agent/targets/node/fluxvault.ts", "src/node/fluxvault.ts"])

export interface Source {
  /** From the repository's root, with `/`: `src/node/session.ts`. */
  readonly path: string
  readonly code: string
}

interface Import {
  readonly specifier: string
  readonly line: number
  /** Names that it takes as values; `all` for a namespace, a lazy import or `export *`. */
  readonly values: readonly string[] | "all"
}

interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

/** One line for each violation: `src/base/a.ts:3: …`. */
export function violations(sources: readonly Source[]): string[] {
  const found: string[] = []
  const importsOf = new Map<string, Import[]>()
  for (const { path, code } of sources) {
    const { imports, uses } = read(code)
    importsOf.set(path, imports)
    const folder = folderOf(path)
    if (rowOf(folder) < 0) found.push(`${path}:1: folder ${folder} is not in the design's layout`)
    for (const one of imports) {
      const { specifier, line } = one
      const why = refusal(path, specifier) ?? openingRefusal(path, one)
      if (why !== undefined) found.push(`${path}:${line}: ${why}`)
    }
    if (folder === "cli") continue
    for (const { name, line } of uses) found.push(`${path}:${line}: only src/cli uses process.${name}`)
  }
  for (const { path } of sources) {
    if (nodeOnly.test(path)) found.push(...packagesReached(path, importsOf))
  }
  return [...found, ...circles(importsOf), ...homonyms(sources)]
}

/** Entry points: every command defines itself, and `main` is what is run. */
const entryNames = new Set(["define", "main"])

/** One word stands for one thing everywhere: two files may not export the same name. */
function homonyms(sources: readonly Source[]): string[] {
  const found: string[] = []
  const firstAt = new Map<string, string>()
  for (const { path, code } of sources) {
    for (const name of exportedNames(code)) {
      const first = firstAt.get(name)
      if (first === undefined) firstAt.set(name, path)
      else if (!entryNames.has(name)) found.push(`${path}:1: exports ${name}, and so does ${first}`)
    }
  }
  return found
}

/** Names that are declared where they are exported, each once though a function may have overloads. */
function exportedNames(code: string): Set<string> {
  const names = new Set<string>()
  visit(parseAst(code, { lang: "ts" }), (node) => {
    if (node.type !== "ExportNamedDeclaration" || !isNode(node["declaration"])) return
    const { declaration } = node
    const declared = declaration["declarations"] ?? [declaration]
    for (const one of declared as SyntaxNode[]) if (isNode(one["id"])) names.add(String(one["id"]["name"]))
  })
  return names
}

/** Files that import each other, type-only imports included: one line for each group. */
function circles(importsOf: ReadonlyMap<string, readonly Import[]>): string[] {
  const found: string[] = []
  const number = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  // Tarjan's strongly connected components: every file of one reaches every other.
  const walk = (path: string): void => {
    number.set(path, number.size)
    lowest.set(path, number.get(path) ?? 0)
    stack.push(path)
    for (const { specifier } of importsOf.get(path) ?? []) {
      const target = isRelative(specifier) ? resolved(path, specifier) : ""
      if (!importsOf.has(target)) continue
      if (!number.has(target)) walk(target)
      else if (!stack.includes(target)) continue
      lowest.set(path, Math.min(lowest.get(path) ?? 0, lowest.get(target) ?? 0))
    }
    if (lowest.get(path) !== number.get(path)) return
    const group = stack.splice(stack.indexOf(path))
    if (group.length > 1) found.push(`${path}:1: imports itself through ${group.slice(1).join(", ")}`)
  }
  for (const path of importsOf.keys()) if (!number.has(path)) walk(path)
  return found
}

/** Why `path` may not import `specifier` by the rule of rows. */
function refusal(path: string, specifier: string): string | undefined {
  if (specifier === "") return "imports what cannot be read from the source: write the path as a string"
  if (!isRelative(specifier)) return undefined
  const target = resolved(path, specifier)
  if (!target.startsWith("src/")) return `imports ${specifier}, which lies outside src`
  if (target.startsWith(insideFluxvault) && !path.startsWith(insideFluxvault) && !choosesFluxvault.has(path))
    return `imports ${specifier}, which only ${[...choosesFluxvault].join(" and ")} may`
  const [from, to] = [folderOf(path), folderOf(target)]
  if (from === to || rowOf(to) < 0 || rowOf(to) < rowOf(from)) return undefined
  const where = rowOf(to) === rowOf(from) ? "beside" : "below"
  return `${from} imports ${specifier}, and ${to} stands ${where} it`
}

/** Why `path` may not import these values, by the rule of the one composition root. */
function openingRefusal(path: string, { specifier, values }: Import): string | undefined {
  const target = isRelative(specifier) ? resolved(path, specifier) : ""
  const folder = folderOf(path)
  if (!Object.hasOwn(openers, target) || folder === compositionRoot || folder === folderOf(target))
    return undefined
  const taken = openers[target]?.filter((name) => values === "all" || values.includes(name)) ?? []
  if (taken.length === 0) return undefined
  return `only src/${compositionRoot} opens things: import ${taken.join(", ")} there, or as a type`
}

/** Packages from npm that `start` reaches, each with the way there. */
function packagesReached(start: string, importsOf: ReadonlyMap<string, readonly Import[]>): string[] {
  const found: string[] = []
  const cameFrom = new Map<string, string>()
  const waiting = [start]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { specifier, line } of importsOf.get(path) ?? []) {
      if (isRelative(specifier)) {
        const target = resolved(path, specifier)
        if (target === start || cameFrom.has(target)) continue
        cameFrom.set(target, path)
        waiting.push(target)
      } else if (!specifier.startsWith("node:") && specifier !== "") {
        const way = [path]
        for (let at = cameFrom.get(path); at !== undefined; at = cameFrom.get(at)) way.unshift(at)
        found.push(
          `${path}:${line}: imports ${specifier}, but ${way.join(" → ")} may hold only node: modules`,
        )
      }
    }
  }
  return found
}

/** Everything a file imports, types too, and what it touches of the process. */
function read(code: string): { imports: Import[]; uses: { name: string; line: number }[] } {
  const imports: Import[] = []
  const uses: { name: string; line: number }[] = []
  const processNames = new Set(["process"])
  const lineAt = (offset: number) => code.slice(0, offset).split("\n").length
  const use = (key: unknown, at: SyntaxNode) => {
    const name = isNode(key) ? String(key["name"] ?? key["value"]) : ""
    if (ofTheProcess.has(name)) uses.push({ name, line: lineAt(at.start) })
  }
  const isProcess = (node: unknown): boolean =>
    isNode(node) &&
    ((node.type === "Identifier" && processNames.has(String(node["name"]))) ||
      (node.type === "MemberExpression" && isNode(node["property"]) && isGlobalProcess(node)))
  visit(parseAst(code, { lang: "ts" }), (node) => {
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportAllDeclaration":
      case "ExportNamedDeclaration":
      case "ImportExpression":
      case "TSImportType": {
        const source = node["source"]
        if (!isNode(source)) break
        const specifier = typeof source["value"] === "string" ? source["value"] : ""
        imports.push({ specifier, line: lineAt(node.start), values: valuesOf(node) })
        if (!/^(?:node:)?process$/.test(specifier) || node.type !== "ImportDeclaration") break
        for (const one of node["specifiers"] as SyntaxNode[]) {
          if (one.type === "ImportSpecifier") use(one["imported"], one)
          else processNames.add(String((one["local"] as SyntaxNode)["name"]))
        }
        break
      }
      case "MemberExpression":
        if (isProcess(node["object"])) use(node["property"], node)
        break
      case "VariableDeclarator": {
        const pattern = node["id"]
        if (!isProcess(node["init"]) || !isNode(pattern) || pattern.type !== "ObjectPattern") break
        for (const property of pattern["properties"] as SyntaxNode[]) use(property["key"], property)
        break
      }
    }
  })
  return { imports, uses }
}

function valuesOf(node: SyntaxNode): readonly string[] | "all" {
  if (node["importKind"] === "type" || node["exportKind"] === "type" || node.type === "TSImportType")
    return []
  if (node.type === "ImportExpression" || node.type === "ExportAllDeclaration") return "all"
  const names: string[] = []
  for (const one of node["specifiers"] as SyntaxNode[]) {
    if (one.type === "ImportNamespaceSpecifier") return "all"
    const name = one["imported"] ?? one["local"]
    if (one["importKind"] === "type" || one["exportKind"] === "type" || !isNode(name)) continue
    names.push(String(name["name"] ?? name["value"]))
  }
  return names
}

function isGlobalProcess(node: SyntaxNode): boolean {
  const [object, property] = [node["object"], node["property"]]
  return (
    isNode(object) && object["name"] === "globalThis" && isNode(property) && property["name"] === "process"
  )
}

function visit(value: unknown, on: (node: SyntaxNode) => void): void {
  if (Array.isArray(value)) for (const one of value) visit(one, on)
  else if (isNode(value)) {
    on(value)
    for (const key in value) visit(value[key], on)
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string"
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith("./") || specifier.startsWith("../")
}

function resolved(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier)
}

/** `src/agent/trust/a.ts` → agent; `src/index.ts` → index.ts. */
function folderOf(path: string): string {
  return path.split("/")[1] ?? path
}

function rowOf(folder: string): number {
  return rows.findIndex((row) => row.includes(folder))
}
