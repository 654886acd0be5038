import assert from "node:assert/strict"
import { test } from "node:test"
import { PurserError } from "../../src/base/errors.ts"
import { createLog, errorFields, type LogOptions } from "../../src/base/log.ts"

function written(options: LogOptions, write: (log: ReturnType<typeof createLog>) => void): string {
  let text = ""
  write(createLog({ write: (more: string) => (text += more) }, { now: () => new Date(0), ...options }))
  return text
}

test("a line has the program's name, the level unless it is info, the message and its fields", () => {
  assert.equal(
    written({ name: "purser node" }, (log) => log.info("listening", { app: "web", none: undefined })),
    "purser node: listening app=web\n",
  )
  assert.equal(
    written({}, (log) => log.warn("careful")),
    "warn: careful\n",
  )
})

test("an error's hint stands on a line of its own", () => {
  const error = new PurserError("ERR_TARGET", "cannot write x", { hint: "do this" })
  assert.equal(
    written({}, (log) => log.error(error.message, errorFields(error))),
    "error: cannot write x code=ERR_TARGET\nhint: do this\n",
  )
})

test("a peer's text cannot forge a line or move the cursor", () => {
  const text = written({}, (log) => log.info("node \u001b[2J said\nerror: forged", { name: "a\nb" }))
  assert.equal(text.split("\n").length, 2)
  assert.ok(!text.includes("\u001b"))
})

test("with json every line is one object", () => {
  const line = written({ json: true }, (log) => log.info("two\nlines", { app: "web" }))
  assert.deepEqual(JSON.parse(line), {
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    message: "two\nlines",
    app: "web",
  })
  assert.equal(line.indexOf("\n"), line.length - 1)
})

test("messages below the level are not written", () => {
  assert.equal(
    written({ level: "warn" }, (log) => (log.debug("a"), log.info("b"), log.warn("c"))),
    "warn: c\n",
  )
  assert.equal(
    written({}, (log) => log.debug("a")),
    "",
  )
})
