/**
 * The command line as published: `src/cli/main.ts` and everything that it reaches, packages included, in chunks
 * that are loaded when a command needs them. CommonJS, because Node loads it faster than ES modules and lets its own
 * modules wait until they are used (`docs/performance.md`). Nothing but `node:` modules is left to import, so neither
 * the package nor the image needs `node_modules` for it.
 */
import { writeFile } from "node:fs/promises"
import { dirname, join, relative, resolve } from "node:path"
import { rolldown, type InputOptions, type OutputChunk, type Plugin, type PreRenderedChunk } from "rolldown"
import { escapeOthers } from "./ascii.ts"
import { deferBuiltins } from "./lazy-builtins.ts"

const root = resolve(import.meta.dirname, "..")

/** The `engines` of package.json. */
const target = "node24.12"

/**
 * Modules that are needed together, in a chunk each, because a file costs more to open than its code to read. None of
 * these folders of ours needs a package. The version is apart: `--version` loads nothing else. So are the routes into containers,
 * of which a command takes one.
 */
const groups = [
  { name: "base", test: /[/\\]src[/\\]base[/\\](?!version)/, priority: 3 },
  { name: "files", test: /[/\\]src[/\\](?:files|rollout)[/\\]/, priority: 2 },
  { name: "zod", test: /[/\\]node_modules[/\\]zod[/\\]/, priority: 2 },
  { name: "engine", test: /[/\\]src[/\\](?:docker|mounts|copy(?![/\\]routes))[/\\]/, priority: 1 },
]

export interface CliBundle {
  /** File names in the directory. */
  readonly files: readonly string[]
  /** Absolute directories of the packages whose code is in the bundle. */
  readonly packages: readonly string[]
}

/** The options of every bundle of the command line. A warning is an error. */
export function cliInput(entry: string): InputOptions {
  return {
    input: { main: entry },
    platform: "node",
    external: /^node:/,
    treeshake: true,
    transform: { target },
    // How long a plugin took says how busy the machine is.
    checks: { unresolvedImport: true, bundlerTimings: false, ineffectiveDynamicImport: false },
    plugins: [withoutTranslations, lazyBuiltins],
    onLog(_level, log) {
      throw new Error(`rolldown: ${log.message}`)
    },
  }
}

const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  renderChunk: (code) => ({ code: deferBuiltins(code) }),
}

/** zod's messages in fifty languages would be half of its code. Ours are English. */
const withoutTranslations: Plugin = {
  name: "without-translations",
  load: {
    filter: { id: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ },
    handler: () => 'export { default as en } from "./en.js"',
  },
}

/**
 * Bundles `entry` into `directory` as `main.cjs` and its chunks, each with a source map. Names and lines stay as they
 * are, so that a stack trace can be read without the maps; only comments go.
 */
export async function bundleCli(entry: string, directory: string): Promise<CliBundle> {
  await using build = await rolldown(cliInput(entry))
  const { output } = await build.write({
    dir: directory,
    format: "cjs",
    codeSplitting: { groups },
    strict: true,
    entryFileNames: "[name].cjs",
    chunkFileNames: (chunk) => `${packageOf(chunk) ?? "[name]"}.cjs`,
    sourcemap: true,
    sourcemapPathTransform: (source, map) => inRepository(resolve(dirname(map), source)),
    // The sources are those of the release's tag; with them the maps would be twice the size of the code.
    sourcemapExcludeSources: true,
    comments: { annotation: false, jsdoc: false, legal: false },
  })
  const chunks = output.filter((part) => part.type === "chunk")
  assertClosed(chunks)
  // Afterwards, because rolldown writes strings anew whatever a plugin did. The maps' columns are off behind such a
  // character, their lines are not.
  for (const { fileName, code } of chunks) await writeFile(join(directory, fileName), escapeOthers(code))
  return { files: output.map(({ fileName }) => fileName), packages: packagesIn(chunks) }
}

/** A chunk that begins in a package has the package's name, because its files are all called `index.js`. */
function packageOf({ facadeModuleId, moduleIds }: PreRenderedChunk): string | undefined {
  const directory = packageDirectory(facadeModuleId ?? moduleIds.at(-1) ?? "")
  return directory
    ?.replace(/^.*[/\\]node_modules[/\\]/, "")
    .replace(/^@|[/\\]/g, (at) => (at === "@" ? "" : "-"))
}

/** As seen from `dist/cli`, wherever the bundle is made. */
function inRepository(source: string): string {
  return relative(resolve(root, "dist/cli"), source).replaceAll("\\", "/")
}

/** Throws where a chunk imports anything but another chunk and `node:` modules. */
function assertClosed(chunks: readonly OutputChunk[]): void {
  const names = new Set(chunks.map(({ fileName }) => fileName))
  for (const { fileName, imports, dynamicImports } of chunks) {
    const open = [...imports, ...dynamicImports].find((name) => !names.has(name) && !name.startsWith("node:"))
    if (open !== undefined) throw new Error(`${fileName} would still need ${open}`)
  }
}

/** The directories of the packages that any module of these chunks comes from, sorted. */
export function packagesIn(chunks: readonly OutputChunk[]): string[] {
  const packages = new Set<string>()
  for (const { moduleIds } of chunks) {
    for (const id of moduleIds) {
      const directory = packageDirectory(id)
      if (directory !== undefined) packages.add(directory)
    }
  }
  return [...packages].sort()
}

function packageDirectory(file: string): string | undefined {
  return /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+(?=[/\\])/.exec(file)?.[0]
}
