import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { EventMemory, parseEvent, splitLines } from "../../src/docker/event-lines.ts"

const numRuns = process.env["SLOW"] === undefined ? 200 : 10_000

async function gather(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const line of lines) found.push(line)
  return found
}

async function* chunksOf(bytes: Buffer, lengths: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (const length of lengths) {
    yield bytes.subarray(at, at + length)
    at += length
  }
  yield bytes.subarray(at)
}

test("lines cut anywhere, even inside a character, come out whole", async () => {
  const line = fc
    .string({ unit: "grapheme", maxLength: 20 })
    .filter((text) => /^[^\n\r]*\S[^\n\r]*$/.test(text))
  const lengths = fc.array(fc.nat({ max: 9 }), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 6 }), lengths, async (lines, cuts) => {
      const wire = Buffer.from(lines.map((each) => `${each}\n`).join(""))
      assert.deepEqual(
        await gather(splitLines(chunksOf(wire, cuts))),
        lines.map((each) => Buffer.from(each).toString()),
      )
    }),
    { numRuns },
  )
})

test("an unfinished last line is left out", async () => {
  assert.deepEqual(await gather(splitLines(chunksOf(Buffer.from('a\n\n{"b'), []))), ["a"])
})

test("an endless line is cut at the limit", async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) yield Buffer.alloc(1024 * 1024, "x")
  }
  await assert.rejects(gather(splitLines(endless())), { code: "ERR_LIMIT" })
})

test("the time keeps its nanoseconds even if a label contains the same key", () => {
  const event = parseEvent(
    JSON.stringify({
      Type: "container",
      Action: "start",
      Actor: { ID: "abc", Attributes: { '"timeNano":1': '"timeNano":2', timeNano: "3", n: 4 } },
      time: 1_790_000_000,
    }).replace(/\}$/, ',"timeNano":1790000000123456789}'),
  )
  assert.deepEqual(event, {
    kind: "event",
    type: "container",
    action: "start",
    id: "abc",
    attributes: { '"timeNano":1': '"timeNano":2', timeNano: "3", n: "4" },
    timeNano: 1790000000123456789n,
  })
})

test("a line that is not an event is ERR_DOCKER", () => {
  for (const line of [
    "",
    "null",
    "5",
    "[]",
    "{}",
    "{",
    '{"Type":"a","Action":"b"}',
    '{"Type":1,"Action":"b","timeNano":1}',
  ]) {
    assert.throws(() => parseEvent(line), { code: "ERR_DOCKER" }, line)
  }
})

test("a repeated event is new only once, among as many as the engine keeps", () => {
  const memory = new EventMemory()
  const event = (timeNano: bigint) =>
    ({ kind: "event", type: "container", action: "die", id: "a", attributes: {}, timeNano }) as const
  for (let time = 0n; time < 2000n; time++) assert.ok(memory.isNew(event(time)))
  assert.equal(memory.lastNs, 1999n)
  for (let time = 1744n; time < 2000n; time++) assert.ok(!memory.isNew(event(time)))
  assert.ok(memory.isNew({ ...event(1999n), action: "start" }), "another action at the same time")
})
