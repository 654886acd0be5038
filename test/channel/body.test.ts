import assert from "node:assert/strict"
import { duplexPair } from "node:stream"
import { test, type TestContext } from "node:test"
import fc from "fast-check"
import { digestOf } from "../../src/base/digest.ts"
import { Secret } from "../../src/base/secret.ts"
import { readBody, writeBody } from "../../src/channel/body.ts"
import { FrameWriter } from "../../src/channel/frame-writer.ts"
import { FrameReader } from "../../src/channel/frames.ts"
import { resolveLimits } from "../../src/channel/limits.ts"
import { parseAnswer, type SentAnswer } from "../../src/channel/messages.ts"
import { ends, numRuns, purserError } from "./support.ts"

const limits = resolveLimits()

function answerFor(bytes: Buffer, changes: Partial<SentAnswer> = {}): SentAnswer {
  return {
    type: "answer",
    id: 1,
    status: "sent",
    digest: digestOf(bytes),
    size: bytes.length,
    chunks: 1,
    ...changes,
  }
}

async function transfer(bytes: Buffer, chunkBytes?: number): Promise<{ body: Secret; answer: SentAnswer }> {
  const [a, b] = duplexPair()
  const writer = new FrameWriter(a, limits)
  const reader = new FrameReader(b, limits)
  const written = writeBody(writer, 1, new Secret(bytes), chunkBytes === undefined ? {} : { chunkBytes })
  const answer = parseAnswer(await reader.next())
  assert.ok(answer.status === "sent")
  const body = await readBody(reader, answer, limits)
  await written
  return { body, answer }
}

test("a written body is read back, for any bytes and any chunk size", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 500 }),
      fc.integer({ min: 1, max: 100 }),
      async (bytes, chunkBytes) => {
        const { body } = await transfer(Buffer.from(bytes), chunkBytes)
        assert.deepEqual(body.reveal(), Buffer.from(bytes))
      },
    ),
    { numRuns },
  )
})

test("bodies of 0 bytes to 1 MiB are read back, also at the edges of chunks", async () => {
  for (const size of [0, 1, 32_767, 32_768, 32_769, 65_536, 1_048_576]) {
    const bytes = Buffer.alloc(size, "purser")
    const { body, answer } = await transfer(bytes)
    assert.equal(answer.size, size)
    assert.equal(answer.chunks, Math.ceil(size / 32_768))
    assert.equal(body.digest, digestOf(bytes))
  }
})

test("refuses a body over the limit before it reads any of it", async (t) => {
  const { reader, peer } = ends(t)
  const small = resolveLimits({ secretBytes: 10 })
  peer.write('{"type":"chunk"}\n')
  const answer = answerFor(Buffer.alloc(11))
  await assert.rejects(
    readBody(reader, answer, small),
    purserError("ERR_LIMIT", /announced 11 bytes, the limit is 10/),
  )
  assert.deepEqual(await reader.next(), { type: "chunk" }, "the chunk was left where it was")
})

const hello = Buffer.from("hello")
const frame = (fields: object): string => `${JSON.stringify({ type: "chunk", id: 1, index: 0, ...fields })}\n`

async function refused(
  t: TestContext,
  sent: string,
  announced: Partial<SentAnswer>,
  code: string,
  message: RegExp,
): Promise<void> {
  const { reader, peer } = ends(t)
  peer.write(sent)
  await assert.rejects(
    readBody(reader, answerFor(hello, announced), limits),
    purserError(code, message),
    sent,
  )
}

test("refuses a body whose digest differs", async (t) => {
  await refused(
    t,
    frame({ data: "aGVsbG8=" }),
    { digest: digestOf(Buffer.from("other")) },
    "ERR_DIGEST",
    /does not match its announced digest/,
  )
})

test("refuses a body whose length differs", async (t) => {
  await refused(t, frame({ data: "aGVsbG8=" }), { size: 6 }, "ERR_PROTOCOL", /has 5 bytes, 6 were announced/)
  await refused(t, frame({ data: "aGVsbG8=" }), { size: 4 }, "ERR_PROTOCOL", /longer than announced/)
  await refused(
    t,
    frame({ data: "aGVs" }) + frame({ index: 1, data: "bG8h" }),
    { chunks: 2 },
    "ERR_PROTOCOL",
    /longer than announced/,
  )
})

test("refuses chunks out of order, chunks of another answer, and other frames in their place", async (t) => {
  await refused(
    t,
    frame({ index: 1, data: "aGVsbG8=" }),
    {},
    "ERR_PROTOCOL",
    /chunk 1 of answer 1 instead of chunk 0 of answer 1/,
  )
  await refused(t, frame({ id: 2, data: "aGVsbG8=" }), {}, "ERR_PROTOCOL", /chunk 0 of answer 2 instead/)
  const twice = frame({ data: "aGVs" }) + frame({ data: "bG8=" })
  await refused(t, twice, { chunks: 2 }, "ERR_PROTOCOL", /chunk 0 of answer 1 instead of chunk 1 of answer 1/)
  await refused(t, '{"type":"answer","id":2,"status":"denied"}\n', {}, "ERR_PROTOCOL", /instead of chunk/)
})

test("refuses everything but canonical standard base64", async (t) => {
  const wrong = [
    "aGVsbG8",
    "aGVsbG9=",
    "aGVsbG8*",
    "aGVs\nbG8=",
    "aGVsbG8 ",
    "====",
    "aGVsbG8=aGVs",
    "aGV-bG8=",
    "\u0100GVsbG8=",
  ]
  for (const data of wrong)
    await refused(t, frame({ data }), {}, "ERR_PROTOCOL", /not base64|wrong length|longer/)
  await refused(t, frame({ data: "" }), {}, "ERR_PROTOCOL", /wrong length/)
  // The URL alphabet encodes the same bytes, but only the standard alphabet is accepted.
  const bytes = Buffer.from([0xfb, 0xff])
  for (const [data, isGood] of [
    ["+/8=", true],
    ["-_8=", false],
  ] as const) {
    const { reader, peer } = ends(t)
    peer.write(frame({ data }))
    const read = readBody(reader, answerFor(bytes), limits)
    if (isGood) assert.deepEqual((await read).reveal(), bytes)
    else await assert.rejects(read, purserError("ERR_PROTOCOL", /not base64/))
  }
})

test("refuses a chunk of more than 32,768 bytes, though a frame could hold it", async (t) => {
  const bytes = Buffer.alloc(32_769)
  const { reader, peer } = ends(t)
  peer.write(frame({ data: bytes.toString("base64") }))
  const answer = answerFor(bytes, { chunks: 2 })
  await assert.rejects(readBody(reader, answer, limits), purserError("ERR_PROTOCOL", /wrong (length|data)/))
})

test("a body that is cut off is an error", async (t) => {
  const { reader, peer } = ends(t)
  peer.end(frame({ data: "aGVs" }))
  await assert.rejects(
    readBody(reader, answerFor(hello, { chunks: 2 }), limits),
    purserError("ERR_UNREACHABLE"),
  )
})
