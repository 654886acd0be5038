/**
 * The one-file receiver, `dist/purser-node.mjs`: everything that `src/cli/node/receiver.ts` reaches, for plain
 * Node 22 or later, with nothing but `node:` modules left to import.
 */
import { chmod, writeFile } from "node:fs/promises"
import { rolldown } from "rolldown"
import { minify } from "rolldown/experimental"
import { errorKinds } from "../src/base/errors/table.ts"
import usingContext from "./using-context.mjs"

/** The docs promise 88 KiB. The receiver is copied into other people's images, so it must not grow unnoticed. */
export const maximumBytes = 88 * 1024

/** In the syntax of old, since it must be understood by the Node that it turns away. */
const guard = `#!/usr/bin/env node
if (!(parseInt(process.versions.node, 10) >= 22)) {
  console.error(
    "purser: this is Node " + process.versions.node + ", and this receiver needs Node 22 or later\\n" +
    "hint: take an image with a newer Node, or run Purser's own image beside your container (docs: sidecar)"
  )
  process.exit(2)
}
`

/** Bundles `entry` into one text. Throws where anything but a `node:` module is left to import. */
export async function bundleReceiver(entry: string): Promise<string> {
  await using build = await rolldown({
    input: entry,
    platform: "node",
    external: /^node:/,
    treeshake: true,
    transform: { target: "node22" },
    optimization: { inlineConst: { mode: "all", pass: 3 } },
    // How long a plugin took says how busy the machine is.
    checks: { unresolvedImport: true, bundlerTimings: false },
    plugins: [{ name: "exit-codes-only", load: { filter: { id: errorTable }, handler: exitCodesOnly } }],
    onLog(_level, log) {
      throw new Error(`rolldown: ${log.message}`)
    },
  })
  const { output } = await build.generate({ format: "esm", codeSplitting: false, comments: { jsdoc: false } })
  const [chunk, ...others] = output
  if (others.length > 0) throw new Error(`the receiver became ${output.length} files`)
  const { code, errors } = await minify(
    "receiver.mjs",
    deferImports(withExitCodes(withUsingContext(chunk.code))),
    {
      module: true,
    },
  )
  if (errors.length > 0) throw new Error(`the receiver cannot be minified: ${errors.map(String).join("; ")}`)
  // The guard stays as it is written, in words that any Node understands.
  return `${guard}${code}\n`
}

const compilersHelper = /^function _usingCtx\(\) \{\n[^]*?^\}\n/m

/** The code with our own {@link usingContext} in the place of the compiler's helper, which no plugin can replace. */
function withUsingContext(code: string): string {
  return code.replace(compilersHelper, () => `const _usingCtx = ${usingContext.toString()}\n`)
}

const errorTable = /\bbase[/\\]errors[/\\]table\.ts$/

/** Stands for the table of errors until it is known which of them the receiver raises. */
const exitCodesMark = '"exit codes"'

function exitCodesOnly(): string {
  return `export const exitCodeOf = (code) => ${exitCodesMark}[code] ?? 1\n`
}

/** The table of errors as a container needs it: exit codes other than 1, of the errors that `code` mentions. */
function withExitCodes(code: string): string {
  const raised = new Set(code.match(/\bERR_\w+/g))
  const codes = Object.entries(errorKinds).flatMap(([name, { exit }]) =>
    exit !== 1 && raised.has(name) ? [[name, exit] as const] : [],
  )
  return code.replace(exitCodesMark, () => `(${JSON.stringify(Object.fromEntries(codes))})`)
}

/** Writes the bundle, executable. Returns its size in bytes; throws where that is over the promise. */
export async function writeReceiver(entry: string, file: string): Promise<number> {
  const code = await bundleReceiver(entry)
  const size = Buffer.byteLength(code)
  if (size > maximumBytes) throw new Error(`the receiver has ${size} bytes, and ${maximumBytes} are promised`)
  await writeFile(file, code)
  await chmod(file, 0o755)
  return size
}

const importStatement =
  /^import (?:(?:(?<all>\* as [\w$]+)|(?<base>[\w$]+)?(?:, )?(?:\{(?<names>[^}]*)\})?) from )?"(?<from>node:[\w/]+)";?$/gm

/**
 * Turns `import { a as b } from "node:c"` into `const { a: b } = await import("node:c")`. Static imports are
 * resolved before the first line runs, and one name that an old Node lacks would hide the guard's sentence
 * behind a SyntaxError.
 */
export function deferImports(code: string): string {
  const entryOnly = code.replace(/^export \{ ?\};?$/m, "")
  const deferred = entryOnly.replace(importStatement, (_whole, ...rest) => {
    const { all, base, names, from } = rest.at(-1) as Record<string, string | undefined>
    const load = `await import("${from}")`
    if (all !== undefined) return `const ${all.slice("* as ".length)} = ${load};`
    const wanted = (names ?? "").split(",").map((name) => name.trim().replace(/ as /, ": "))
    if (base !== undefined) wanted.unshift(`default: ${base}`)
    const list = wanted.filter((name) => name !== "").join(", ")
    return list === "" ? `${load};` : `const { ${list} } = ${load};`
  })
  const left = /^(?:import|export)\b(?!\().*/m.exec(deferred)
  if (left) throw new Error(`the receiver would still need: ${left[0]}`)
  return deferred
}
