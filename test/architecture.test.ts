import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { openers, violations } from "./support/import-rules.ts"

const root = resolve(import.meta.dirname, "..")

/** What the rules say about planted files; the lines begin with `path:line`. */
function planted(files: Record<string, string>): string[] {
  return violations(Object.entries(files).map(([path, code]) => ({ path, code })))
}

test("the source follows the import rules of the design", () => {
  const paths = globSync("src/**/*.ts", { cwd: root }).map((path) => path.replaceAll("\\", "/"))
  assert.ok(paths.length > 5, "found the source")
  const sources = paths.map((path) => ({ path, code: readFileSync(join(root, path), "utf8") }))
  assert.deepEqual(violations(sources), [])
})

test("what only the composition root may open is there under its name", () => {
  for (const [path, names] of Object.entries(openers)) {
    const code = readFileSync(join(root, path), "utf8")
    for (const name of names)
      assert.match(code, new RegExp(`^export (?:class|(?:async )?function) ${name}\\b`, "m"), path)
  }
})

test("an import from a row above, from the own folder or of node: passes", () => {
  const files = {
    "src/base/a.ts": 'import { readFile } from "node:fs/promises"',
    "src/sources/b.ts":
      'import { c } from "./deep/c.ts"; import "yaml"; import type { A } from "../base/a.ts"',
    "src/sources/e.ts": 'import "./f.ts"',
    "src/sources/deep/c.ts": 'export { b } from "../e.ts"',
    "src/agent/d.ts": 'const { x } = await import("../node/e.ts"); process.on("exit", x); process.kill(1)',
    "src/channel/fluxvault/f.ts": 'import "./eax.ts"; import "../frames.ts"',
    "src/node/fluxvault.ts": 'import "../channel/fluxvault/listen.ts"',
    "src/agent/targets/node/fluxvault.ts": 'import "../../../channel/fluxvault/dial.ts"',
    "src/cli/main.ts": 'import "../agent/d.ts"; process.exit(process.argv.length)',
    "src/index.ts": 'export { x } from "./agent/d.ts"',
    "src/wiring/open-ca.ts":
      'import { Ca } from "../ca/ca.ts"; import * as store from "../sources/store/store.ts"',
    "src/ca/import.ts": 'import { Ca } from "./ca.ts"',
    "src/cli/secret.ts":
      'import type { Ca } from "../ca/ca.ts"; import { readPassphrase, type SecretStore } from "../sources/store/store.ts"',
  }
  assert.deepEqual(planted(files), [])
})

const refused: [claim: string, path: string, code: string, message: RegExp][] = [
  [
    "an import from below",
    "src/base/a.ts",
    '\nimport { x } from "../cli/b.ts"',
    /^src\/base\/a\.ts:2: .*below/,
  ],
  ["an import from beside", "src/channel/a.ts", 'import "../files/b.ts"', /files stands beside it/],
  ["a type from below", "src/sources/a.ts", 'import type { X } from "../agent/b.ts"', /agent stands below/],
  ["a type in an expression", "src/base/a.ts", 'type X = import("../node/b.ts").X', /node stands below/],
  ["a re-export", "src/ca/a.ts", 'export * from "../images/b.ts"', /images stands beside/],
  ["a lazy import", "src/base/a.ts", 'const f = () => import("../cli/b.ts")', /cli stands below/],
  [
    "FluxVault's protocol from the command line",
    "src/cli/a.ts",
    'import type { X } from "../channel/fluxvault/listen.ts"',
    /only src\/agent\/targets\/node\/fluxvault\.ts and src\/node\/fluxvault\.ts may/,
  ],
  [
    "FluxVault's protocol from the channel",
    "src/channel/a.ts",
    'import "./fluxvault/dial.ts"',
    /only .* may/,
  ],
  ["a computed import", "src/agent/a.ts", "await import(name)", /cannot be read/],
  ["the public API from within", "src/agent/a.ts", 'import "../index.ts"', /index\.ts stands below/],
  ["a file outside src", "src/base/a.ts", 'import "../../scripts/b.ts"', /outside src/],
  ["a folder nobody knows", "src/utils/a.ts", "export {}", /folder utils is not in the design/],
  ["a package in the receiver", "src/node/a.ts", 'import "yaml"', /imports yaml/],
  ["a type of a package in the receiver", "src/node/a.ts", 'import type { Z } from "zod"', /imports zod/],
  ["a module without node:", "src/files/a.ts", 'import "fs"', /imports fs/],
  [
    "a package in the receiver's entry",
    "src/cli/node/receiver.ts",
    'import "commander"',
    /imports commander/,
  ],
  [
    "a CA opened by a command",
    "src/cli/a.ts",
    'import { Ca } from "../ca/ca.ts"',
    /only src\/wiring opens.* Ca /,
  ],
  [
    "a renamed store opened by the agent",
    "src/agent/a.ts",
    'import { SecretStore as S, type StoreOptions } from "../sources/store/store.ts"',
    /only src\/wiring opens.* SecretStore /,
  ],
  [
    "a namespace that holds a catalogue",
    "src/cli/a.ts",
    'import * as sources from "../sources/open-catalogue.ts"',
    /only src\/wiring opens.* createCatalogue /,
  ],
  [
    "an agent opened lazily",
    "src/cli/a.ts",
    'await import("../agent/agent.ts")',
    /only src\/wiring opens.* Agent /,
  ],
  [
    "an engine opened by a route",
    "src/copy/routes/a.ts",
    'export { connectEngine } from "../../docker/engine.ts"',
    /only src\/wiring opens.* connectEngine /,
  ],
  [
    "a state opened by a command",
    "src/cli/a.ts",
    'export * from "../state/open.ts"',
    /only src\/wiring opens.* openStateDir /,
  ],
  ["process.env", "src/base/a.ts", "const x = process.env.HOME", /only src\/cli uses process\.env/],
  ["process['argv']", "src/base/a.ts", 'const x = process["argv"]', /process\.argv/],
  ["globalThis.process.env", "src/base/a.ts", "globalThis.process.env", /process\.env/],
  ["a destructured process", "src/agent/a.ts", "const { exit } = process", /process\.exit/],
  ["an imported exit", "src/agent/a.ts", 'import { exit } from "node:process"', /process\.exit/],
  [
    "a renamed process",
    "src/agent/a.ts",
    'import p from "node:process"; p.exitCode = 1',
    /process\.exitCode/,
  ],
]
for (const [claim, path, code, message] of refused) {
  test(`finds ${claim}`, () => {
    const found = planted({ [path]: code })
    assert.equal(found.length, 1, found.join("\n"))
    assert.match(found[0] ?? "", message)
  })
}

test("finds a package that the receiver reaches through others, and names the way", () => {
  const found = planted({
    "src/node/a.ts": 'import "../channel/b.ts"',
    "src/channel/b.ts": 'import "../base/c.ts"',
    "src/base/c.ts": 'import "pino"; import "./c.ts"',
  })
  assert.ok(
    found.some((line) => line.includes("src/node/a.ts → src/channel/b.ts → src/base/c.ts")),
    found.join("\n"),
  )
})

test("finds files that import each other, types included, and names them all", () => {
  const found = planted({
    "src/ca/a.ts": 'import type { B } from "./b.ts"; import "./d.ts"',
    "src/ca/b.ts": 'import "./c.ts"',
    "src/ca/c.ts": 'import "./a.ts"',
    "src/ca/d.ts": 'import "node:fs"',
  })
  assert.deepEqual(found, ["src/ca/a.ts:1: imports itself through src/ca/b.ts, src/ca/c.ts"])
})

test("finds a name that two files export, but not the entry points of commands", () => {
  const found = planted({
    "src/base/a.ts": "export const one = 1; export type Kind = string; export function main() {}",
    "src/base/b.ts":
      "export interface Kind {}; const one = 2; export function main() {}; export { one as two }",
  })
  assert.deepEqual(found, ["src/base/b.ts:1: exports Kind, and so does src/base/a.ts"])
})

test("takes neither comments nor strings for imports", () => {
  const code =
    '// import "../cli/b.ts"\n/* process.env */ const text = `import("zod") process.exit`; const re = /[`"]/'
  assert.deepEqual(planted({ "src/node/a.ts": code }), [])
})
