import assert from "node:assert/strict"
import { test } from "node:test"
import { PurserError, asPurserError, isPurserError, systemErrorCode } from "../../src/base/errors.ts"

test("an error has the exit code of its kind", () => {
  assert.equal(new PurserError("ERR_CONFIG", "x").exitCode, 2)
  assert.equal(new PurserError("ERR_LOCKED", "x").exitCode, 5)
})

test("an error is recognized by its class and, if given, its code", () => {
  const error: unknown = new PurserError("ERR_NAME", "x")
  assert.ok(isPurserError(error) && isPurserError(error, "ERR_NAME") && !isPurserError(error, "ERR_USAGE"))
  assert.ok(!isPurserError(Object.assign(new Error("x"), { code: "ERR_NAME" })))
})

test("any thrown value becomes a PurserError with the original as its cause", () => {
  const own = new PurserError("ERR_NAME", "x")
  assert.equal(asPurserError(own), own)
  assert.equal(
    asPurserError(AbortSignal.timeout(0).reason ?? new DOMException("", "TimeoutError")).code,
    "ERR_TIMEOUT",
  )
  assert.equal(asPurserError(AbortSignal.abort().reason).code, "ERR_INTERRUPTED")
  const other = new RangeError("odd")
  assert.equal(asPurserError(other).code, "ERR_INTERNAL")
  assert.equal(asPurserError(other).cause, other)
  assert.equal(asPurserError("text").message, "text")
})

test("returns the code of system errors only", () => {
  assert.equal(systemErrorCode(Object.assign(new Error("x"), { code: "ENOENT" })), "ENOENT")
  assert.equal(systemErrorCode(new Error("x")), undefined)
  assert.equal(systemErrorCode({ code: "ENOENT" }), undefined)
})
