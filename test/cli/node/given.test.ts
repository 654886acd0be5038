import assert from "node:assert/strict"
import { test } from "node:test"
import { parseFlags } from "../../../src/cli/node/flags.ts"
import { Given } from "../../../src/cli/node/given.ts"

const given = (argv: readonly string[], env: NodeJS.ProcessEnv): Given =>
  new Given(parseFlags(argv).values, env)

test("a flag takes precedence over its variable, which has the flag's name", () => {
  const env = { PURSER_ENROL_FILE: "/env", PURSER_NAME: "env", PURSER_ONCE: "1" }
  const both = given(["--enrol-file", "/flag"], env)
  assert.equal(both.text("enrol-file"), "/flag")
  assert.equal(both.text("name"), "env")
  assert.equal(both.isOn("once"), true)
  assert.equal(given([], env).text("enrol-file"), "/env")
  assert.equal(given([], {}).text("name"), undefined)
})

test("a blank variable counts as unset, and only certain words enable a switch", () => {
  const words = {
    PURSER_NAME: " \n",
    PURSER_REQUIRE_TMPFS: "YES",
    PURSER_JSON: "0",
    PURSER_VERBOSE: "of course",
  }
  const read = given([], words)
  assert.equal(read.text("name"), undefined)
  assert.deepEqual(
    [read.isOn("require-tmpfs"), read.isOn("json"), read.isOn("verbose"), read.isOn("once")],
    [true, false, false, false],
  )
})
