import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { PurserError } from "../../src/base/errors.ts"
import { createToken, formatEnrolment, parseEnrolment, type Enrolment } from "../../src/channel/enrolment.ts"
import { createIdentity } from "../../src/channel/identity.ts"
import { pinOfHash } from "../../src/channel/pin.ts"
import { numRuns, purserError } from "./support.ts"

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const app = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/)
const enrolments: fc.Arbitrary<Enrolment> = fc
  .record(
    {
      app,
      agentPins: fc.uniqueArray(bytes32.map(pinOfHash), { minLength: 1, maxLength: 2 }),
      token: bytes32,
    },
    { requiredKeys: ["app", "agentPins"] },
  )
  .map(({ token, ...rest }) => ({ ...rest, ...(token === undefined ? {} : { token }) }))

test("a formatted enrolment is parsed to the same value", () => {
  fc.assert(
    fc.property(enrolments, (enrolment) => {
      assert.deepEqual({ ...parseEnrolment(formatEnrolment(enrolment)) }, enrolment)
    }),
    { numRuns },
  )
})

test("any text is an enrolment in its canonical form or ERR_ENROLMENT", () => {
  const damaged = fc
    .tuple(
      enrolments.map(formatEnrolment),
      fc.nat(),
      fc.nat({ max: 3 }),
      fc.string({ maxLength: 3, unit: "binary" }),
    )
    .map(([text, at, remove, insert]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + insert + text.slice(place + remove)
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.string({ unit: "binary" })), (text) => {
      let parsed: Enrolment
      try {
        parsed = parseEnrolment(text)
      } catch (error) {
        assert.ok(error instanceof PurserError && error.code === "ERR_ENROLMENT")
        return
      }
      assert.equal(formatEnrolment(parsed), text.trim())
    }),
    { numRuns },
  )
})

test("has the documented form", () => {
  const pin = "A".repeat(43)
  const next = `${"A".repeat(42)}E`
  const token = Buffer.alloc(32, 0xff)
  const text = `purser1.web.${pin},${next}.${"_".repeat(42)}8`
  assert.deepEqual(
    { ...parseEnrolment(text) },
    { app: "web", agentPins: [`sha256:${pin}`, `sha256:${next}`], token },
  )
  assert.deepEqual({ ...parseEnrolment(`purser1.web.${pin}`) }, { app: "web", agentPins: [`sha256:${pin}`] })
})

test("ignores white space around it", () => {
  const text = formatEnrolment({ app: "web", agentPins: [createIdentity().pin], token: createToken() })
  assert.deepEqual(parseEnrolment(` \t${text}\r\n`), parseEnrolment(text))
})

test("refuses a damaged string, names the damaged part, and quotes none of it", () => {
  const pin = createIdentity().pin.slice(7)
  const token = createToken().toString("base64url")
  const cases: [string, RegExp][] = [
    ["", /empty/],
    ["   ", /empty/],
    [`purser2.web.${pin}.${token}`, /begin with purser1/],
    [`web.${pin}.${token}`, /begin with purser1/],
    [`purser1.Web.${pin}.${token}`, /name of an app/],
    [`purser1..${pin}.${token}`, /name of an app/],
    ["purser1", /name of an app/],
    ["purser1.web", /one or two pins/],
    [`purser1.web..${token}`, /one or two pins/],
    [`purser1.web.sha256:${pin}.${token}`, /one or two pins/],
    [`purser1.web.${pin},.${token}`, /one or two pins/],
    [`purser1.web.${pin},${pin}.${token}`, /the same/],
    [`purser1.web.${pin},${"A".repeat(43)},${"A".repeat(42)}E.${token}`, /one or two pins/],
    [`purser1.web.${pin}.${token.slice(0, -1)}`, /token is cut/],
    [`purser1.web.${pin}.${token.slice(0, -1)}!`, /token is cut/],
    [`purser1.web.${pin}.`, /token is cut/],
    [`purser1.web.${pin}.${token}.${token}`, /too many parts/],
    [`purser1.web.${pin}.${token}${"x".repeat(300)}`, /too long/],
  ]
  for (const [text, message] of cases) {
    assert.throws(
      () => parseEnrolment(text),
      (error) => {
        assert.ok(purserError("ERR_ENROLMENT", message)(error))
        const shown = `${(error as PurserError).message} ${(error as PurserError).hint} ${(error as PurserError).stack}`
        assert.ok(!shown.includes(token.slice(0, 20)), "shows the token")
        return true
      },
      text,
    )
  }
})

test("refuses to format parts that it could not parse", () => {
  const agentPins = [createIdentity().pin]
  assert.throws(() => formatEnrolment({ app: "Web", agentPins }), TypeError)
  assert.throws(() => formatEnrolment({ app: "web", agentPins: [] }), TypeError)
  assert.throws(() => formatEnrolment({ app: "web", agentPins, token: Buffer.alloc(31) }), TypeError)
})

test("tokens are 32 bytes and differ", () => {
  const tokens = Array.from({ length: 100 }, () => createToken())
  assert.ok(tokens.every((token) => token.length === 32))
  assert.equal(new Set(tokens.map((token) => token.toString("hex"))).size, 100)
})
