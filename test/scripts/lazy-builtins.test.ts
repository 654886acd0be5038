import assert from "node:assert/strict"
import { test } from "node:test"
import { runInNewContext } from "node:vm"
import { deferBuiltins } from "../../scripts/lazy-builtins.ts"

/** Runs the code with modules that say when they are loaded. */
function run(code: string) {
  const loaded: string[] = []
  const modules: Record<string, unknown> = {
    "node:fs": { readFileSync: () => "content", Stats: class {} },
    "node:os": { EOL: "end" },
  }
  const require = (name: string) => {
    loaded.push(name)
    return modules[name]
  }
  const toESM = (module: object) => ({ ...module, default: module })
  const exports: Record<string, () => unknown> = {}
  runInNewContext(deferBuiltins(code).toString(), { require, __toESM: toESM, exports })
  return { loaded, functions: exports }
}

test("a module is loaded at its first use, and once", () => {
  const { loaded, functions } = run(
    'let node_fs = require("node:fs"); exports.read = () => (0, node_fs.readFileSync)(); exports.make = () => new node_fs.Stats();',
  )
  assert.deepEqual(loaded, [])
  assert.equal(functions["read"]?.(), "content")
  assert.equal(typeof functions["make"]?.(), "object")
  assert.deepEqual(loaded, ["node:fs"])
})

test("the form for default imports is made at the first use too", () => {
  const { loaded, functions } = run(
    'let node_os = require("node:os");\nnode_os = __toESM(node_os, 1);\nexports.eol = () => node_os.default.EOL;',
  )
  assert.deepEqual(loaded, [])
  assert.equal(functions["eol"]?.(), "end")
})

test("a directive stays the first statement", () => {
  assert.match(
    deferBuiltins('"use strict";\nlet node_fs = require("node:fs");\nnode_fs.a;').toString(),
    /^"use strict";/,
  )
})

test("names of properties, and variables of the same name within a function, stay as they are", () => {
  const lines = [
    "a.node_fs = { node_fs: 1 };",
    'function old() { var node_fs = require("fs"); return () => node_fs.readFileSync; }',
    "const f = (node_fs) => node_fs.x;",
  ]
  const code = deferBuiltins(['let node_fs = require("node:fs");', ...lines].join("\n")).toString()
  for (const line of lines) assert.ok(code.includes(line), code)
})

test("what is no module of Node's is loaded as before", () => {
  const code = 'const require_a = require("./a.cjs"); require_a.b();'
  assert.equal(deferBuiltins(code).toString(), code)
})
