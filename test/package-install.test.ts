import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { delimiter, dirname, join, resolve } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { codeBlocks } from "./support/markdown.ts"
import { exportsOf } from "./support/public-types.ts"
import { startRegistry } from "./support/registry.ts"
import { copyRepository } from "./support/repository.ts"
import { tempDir } from "./support/temp.ts"

/** The package as an application gets it: packed in a clone that was never built, and installed beside nothing. */

const root = resolve(import.meta.dirname, "..")
const run = promisify(execFile)

test("packed in a clone without dist, installed without another network, it runs, compiles and has what is documented", async (t) => {
  const [clone, archives, project] = [await tempDir(t), await tempDir(t), await tempDir(t)]
  const [registry] = await Promise.all([startRegistry(t, neededPackages()), copyRepository(clone)])
  const env = environment(await tempDir(t), registry)
  const npm = (args: readonly string[], cwd: string) => run("npm", args, { cwd, env, maxBuffer: 2 ** 26 })

  const { stdout: told } = await npm(["pack", "--json", `--pack-destination=${archives}`], clone)
  const [pack] = Object.values(JSON.parse(told) as Record<string, { files: { path: string }[] }>)
  const packed = pack?.files.map(({ path }) => path) ?? []
  for (const path of [
    "LICENSE",
    "bin/purser.js",
    "dist/index.d.ts",
    "dist/purser-node.mjs",
    "docs/programming.md",
  ])
    assert.ok(packed.includes(path), `${path} is in the package`)
  const foreign = packed.filter(
    (path) => !/^(?:bin|dist|docs)\/|^(?:[A-Z]+\.md|LICENSE|package\.json)$/.test(path),
  )
  assert.deepEqual(foreign, [])
  assert.deepEqual(
    packed.filter((path) => /^dist\/(?:image|exe)\//.test(path)),
    [],
  )

  await writeFile(
    join(project, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" }),
  )
  const [archive = ""] = await readdir(archives)
  const types = `@types/node@${versionOf(join(root, "node_modules/@types/node"))}`
  await npm(["install", join(archives, archive), types], project)

  const purser = join(project, "node_modules/.bin/purser")
  assert.equal((await run(purser, ["--version"], { env })).stdout.trim(), versionOf(root))
  const given = { env: { ...env, PURSER_STATE: join(project, "state") } }
  const both = `printf swordfish | "${purser}" secret set a >&2 && "${purser}" secret get a`
  assert.equal((await run("sh", ["-c", both], given)).stdout.trim(), "swordfish")

  await t.test("a consumer compiles with TypeScript 5.9 and 7", () => compileConsumer(project))
  await t.test("every name that is exported or documented can be imported", () => importAll(project, env))
})

/** Directories of the packages that the library needs, and of the types of Node. */
function neededPackages(): string[] {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean }>
  }
  const paths = Object.keys(packages).filter((path) => path !== "" && packages[path]?.dev !== true)
  return [...paths, "node_modules/@types/node", "node_modules/undici-types"].map((path) => join(root, path))
}

function versionOf(directory: string): string {
  const { version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { version: string }
  return version
}

/** Of a user who has only npm and Node. Whatever is asked of another host than the loopback fails. */
function environment(home: string, registry: string): NodeJS.ProcessEnv {
  const nowhere = "http://127.0.0.1:9"
  return {
    PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
    HOME: home,
    npm_config_registry: registry,
    npm_config_update_notifier: "false",
    http_proxy: nowhere,
    https_proxy: nowhere,
    no_proxy: "127.0.0.1",
  }
}

async function compileConsumer(project: string): Promise<void> {
  const fixtures = join(root, "test/fixtures/consumer")
  const source = join(project, "source")
  await mkdir(source)
  for (const name of ["agent.ts", "node.ts", "run-node.ts"]) {
    const code = await readFile(join(fixtures, name), "utf8")
    assert.match(code, /from "\.\.\/\.\.\/\.\.\/src\/index\.ts"/)
    await writeFile(join(source, name), code.replace("../../../src/index.ts", "purser"))
  }
  const compilerOptions = {
    target: "es2024",
    lib: ["es2024", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    strict: true,
    noEmit: true,
    // Declarations of the package and of what it needs are read as strictly.
    skipLibCheck: false,
  }
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["source"] }))
  for (const [compiler, version] of [
    ["typescript-5", /^Version 5\.9\./],
    ["typescript", /^Version 7\./],
  ] as const) {
    const tsc = (...args: string[]) =>
      run(process.execPath, [join(root, "node_modules", compiler, "bin/tsc"), ...args], {
        cwd: project,
      }).catch((error: { stdout: string }) => error)
    assert.match((await tsc("--version")).stdout, version)
    assert.equal((await tsc("--project", ".")).stdout, "", compiler)
  }
}

async function importAll(project: string, env: NodeJS.ProcessEnv): Promise<void> {
  const exported = exportsOf(root, "src/index.ts")
  const guide = await readFile(join(project, "node_modules/purser/docs/programming.md"), "utf8")
  const blocks = await codeBlocks("docs/programming.md", "ts")
  const imports = blocks.flatMap(({ text }) => [...text.matchAll(/import \{([^}]*)\} from "purser"/g)])
  const imported = imports
    .flatMap(([, names = ""]) => names.split(",").map((name) => name.trim()))
    .filter(Boolean)
  // In prose, what begins like a type or a class is one of the package's.
  const named = [...guide.matchAll(/`([A-Z][a-z]\w+)(?:\.\w+\(.*?\))?`/g)].map(([, name = ""]) => name)
  assert.ok(imported.length >= 8 && named.length >= 10)
  for (const name of [...imported, ...named]) assert.ok(exported.has(name), `${name} is exported`)

  const values = Object.keys((await import("../src/index.ts")) as object).toSorted()
  for (const name of imported) assert.ok(values.includes(name), `${name} is a value`)
  const program = `
    import * as all from "purser"
    import { ${values.join(", ")} } from "purser"
    console.log(JSON.stringify(Object.entries({ ${values.join(", ")} }).filter(([, value]) => value !== undefined).map(([name]) => name)))
    console.log(JSON.stringify(Object.keys(all)))`
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: project,
    env,
  })
  const [defined = "", all = ""] = stdout.trim().split("\n")
  assert.deepEqual((JSON.parse(defined) as string[]).toSorted(), values)
  assert.deepEqual((JSON.parse(all) as string[]).toSorted(), values)
}
