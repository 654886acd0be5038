import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { errorFamilies, errorKinds, exitCodeOf } from "../../../src/base/errors/table.ts"

const src = resolve(import.meta.dirname, "../../../src")

test("every code is in one family, and every family's file is joined", () => {
  const inFamilies = errorFamilies.flatMap(({ kinds }) => Object.keys(kinds))
  assert.deepEqual(inFamilies.toSorted(), Object.keys(errorKinds).toSorted())
  const declared = globSync("*.ts", { cwd: join(src, "base/errors") }).flatMap((file) => {
    const text = readFileSync(join(src, "base/errors", file), "utf8")
    return [...text.matchAll(/^ {2}(ERR_\w+): /gm)].map(([, code = ""]) => code)
  })
  assert.deepEqual(declared.toSorted(), inFamilies.toSorted())
})

test("every code is raised somewhere", () => {
  const text = globSync("**/*.ts", { cwd: src })
    .filter((file) => !/^base[/\\]errors[/\\]/.test(file))
    .map((file) => readFileSync(join(src, file), "utf8"))
    .join("\n")
  const idle = Object.keys(errorKinds).filter((code) => !text.includes(`"${code}"`))
  assert.deepEqual(idle, [])
})

test("every code has an exit code that shells do not use, and the status of an HTTP error", () => {
  for (const [code, { exit, http, about }] of Object.entries(errorKinds)) {
    assert.ok(http >= 400 && http < 600, code)
    assert.match(about, /^\S.*[^.]$/, code)
    // 128 + SIGINT is the code that a shell itself reports for a command ended by Ctrl-C.
    if (code === "ERR_INTERRUPTED") assert.equal(exit, 130)
    else assert.ok(exit >= 1 && exit <= 125, code)
  }
})

test("the exit codes other than 1 are those that scripts rely on", () => {
  const codes = Object.keys(errorKinds) as (keyof typeof errorKinds)[]
  const byExit = Object.groupBy(codes, (code) => String(exitCodeOf(code)))
  delete byExit["1"]
  for (const list of Object.values(byExit)) list?.sort()
  assert.deepEqual(
    { ...byExit },
    {
      "2": [
        "ERR_ADDRESS",
        "ERR_CONFIG",
        "ERR_ENROLMENT",
        "ERR_FILE_LINE",
        "ERR_IDENTITY",
        "ERR_NAME",
        "ERR_RELOAD_SPEC",
        "ERR_USAGE",
      ],
      "3": ["ERR_CA_POLICY", "ERR_DISK", "ERR_NOT_GRANTED", "ERR_REFUSED", "ERR_UNTRUSTED"],
      "4": ["ERR_DISCOVERY", "ERR_DOCKER_UNREACHABLE", "ERR_UNREACHABLE"],
      "5": ["ERR_LOCKED"],
      "70": ["ERR_INTERNAL"],
      "130": ["ERR_INTERRUPTED"],
    },
  )
})
