import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { JsonLines } from "../../../src/channel/fluxvault/json-lines.ts"

const runs = { numRuns: process.env["SLOW"] ? 10_000 : 200 }

/** Returns the output lines for a text that is cut at these places. */
async function linesOf(bytes: Buffer, cuts: readonly number[] = []): Promise<string[]> {
  const lines = new JsonLines()
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  for (const [at, from] of places.entries()) lines.write(bytes.subarray(from, places[at + 1] ?? bytes.length))
  lines.end()
  const text = Buffer.concat(await lines.toArray()).toString()
  return text === "" ? [] : text.split("\n")
}

test("objects come out one a line, however they are spaced, joined and cut", async () => {
  const message = fc.dictionary(fc.string(), fc.oneof(fc.jsonValue(), fc.string({ unit: "binary" })))
  const gap = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
  const spaces = fc.constantFrom(undefined, 1, "\t")
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(message, spaces, gap), { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      async (messages, cuts) => {
        const text = messages
          .map(([one, indent, after]) => JSON.stringify(one, null, indent) + after)
          .join("")
        const lines = await linesOf(Buffer.from(text), cuts)
        const out = lines.slice(0, -1).map((line) => JSON.parse(line) as unknown)
        assert.deepEqual(
          out,
          messages.map(([one]) => JSON.parse(JSON.stringify(one)) as unknown),
        )
      },
    ),
    runs,
  )
})

test("two messages cut at every byte come out unchanged", async () => {
  const bytes = Buffer.from('{"a":"}{\\"\\\\"}\n{"b":[{},"]ä"]}')
  for (let cut = 0; cut <= bytes.length; cut++)
    assert.deepEqual(await linesOf(bytes, [cut]), ['{"a":"}{\\"\\\\"}', '{"b":[{},"]ä"]}', ""])
  const every = bytes.map((_, index) => index)
  assert.equal((await linesOf(bytes, [...every])).length, 3)
})

test("bytes outside of an object become a line at once", async () => {
  for (const text of ["HTTP/1.1 400 Bad Request", "}", "]", '"', "1", "\u0000", "-"]) {
    const [first = ""] = await linesOf(Buffer.from(text))
    let value: unknown
    try {
      value = JSON.parse(first)
    } catch {}
    assert.notEqual(typeof value, "object", text)
  }
})

test("blanks between messages are dropped", async () => {
  const lines = new JsonLines()
  lines.write(Buffer.alloc(100_000, "\n"))
  assert.equal(lines.readableLength, 0)
})

test("random bytes never break it, and give only lines", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array(), fc.array(fc.nat(), { maxLength: 4 }), async (bytes, cuts) => {
      const whole = await linesOf(Buffer.from(bytes))
      assert.deepEqual(await linesOf(Buffer.from(bytes), cuts), whole)
    }),
    runs,
  )
})
