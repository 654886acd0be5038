import assert from "node:assert/strict"
import { test } from "node:test"
import { parseEnrolment } from "../../../src/channel/enrolment.ts"
import { isPin } from "../../../src/channel/pin.ts"
import { statePlace } from "../state-place.ts"

test("the agent's key is replaced in three steps, and strings carry both pins meanwhile", async (t) => {
  const { run, ok, audit } = await statePlace(t)
  const pin = (await ok("agent", "identity")).trim()
  assert.ok(isPin(pin))
  assert.deepEqual(parseEnrolment(await ok("enrol", "web")).agentPins, [pin])

  const prepared = await run(["agent", "identity", "--next"])
  const [first, second = ""] = prepared.stdout.trimEnd().split("\n")
  assert.equal(first, pin)
  const next = second.replace(/^next /, "")
  assert.ok(isPin(next) && next !== pin)
  assert.match(prepared.stderr, /run purser enrol APP for each app/)
  assert.equal(
    await ok("agent", "identity", "--next"),
    prepared.stdout,
    "asked for again, the next key is the same",
  )
  assert.deepEqual(JSON.parse(await ok("agent", "identity", "--json")), { pin, next })
  assert.deepEqual(parseEnrolment(await ok("enrol", "web")).agentPins, [pin, next])

  assert.equal(await ok("agent", "identity", "--promote"), `${next}\n`)
  assert.equal(await ok("agent", "identity"), `${next}\n`)
  assert.deepEqual(parseEnrolment(await ok("enrol", "web")).agentPins, [next])
  assert.deepEqual(
    (await audit()).filter(({ kind }) => kind === "identity").map(({ change, pin: of }) => [change, of]),
    [
      ["prepared", next],
      ["promoted", next],
    ],
  )
})

test("without a next key there is nothing to promote, and the present one stays", async (t) => {
  const { run, ok } = await statePlace(t)
  const pin = await ok("agent", "identity")
  const { code, stdout, stderr } = await run(["agent", "identity", "--promote"])
  assert.equal(code, 2)
  assert.equal(stdout, "")
  assert.match(stderr, /^purser: no next identity was prepared\nhint: run purser agent identity --next,/)
  assert.equal((await run(["agent", "identity", "--next", "--promote"])).code, 2)
  assert.equal(await ok("agent", "identity"), pin)
})
