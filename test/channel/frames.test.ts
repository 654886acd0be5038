import assert from "node:assert/strict"
import { once } from "node:events"
import { duplexPair, PassThrough } from "node:stream"
import { test } from "node:test"
import fc from "fast-check"
import { PurserError } from "../../src/base/errors.ts"
import { FrameWriter } from "../../src/channel/frame-writer.ts"
import { FrameReader, type Frame } from "../../src/channel/frames.ts"
import { resolveLimits } from "../../src/channel/limits.ts"
import { ends, numRuns, purserError } from "./support.ts"

const small = { frameBytes: 1024, chunkBytes: 256 }

/** Random objects as they arrive over the wire, reduced to what JSON keeps. */
const frames = fc.array(
  fc.dictionary(
    fc.string({ maxLength: 8 }),
    fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.integer(), fc.constant(null)),
    {
      maxKeys: 4,
      noNullPrototype: true,
    },
  ),
  { maxLength: 12 },
)

/** Cuts bytes into pieces of these lengths, repeated. */
function pieces(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const all: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1
    all.push(bytes.subarray(at, at + length))
    at += length
  }
  return all
}

test("any split of the bytes gives the same frames", async () => {
  await fc.assert(
    fc.asyncProperty(
      frames,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      async (sent, lengths) => {
        const stream = new PassThrough()
        const reader = new FrameReader(stream, resolveLimits())
        const bytes = Buffer.from(sent.map((frame) => `${JSON.stringify(frame)}\n`).join(""))
        for (const piece of pieces(bytes, lengths)) stream.write(piece)
        const received: Frame[] = []
        while (received.length < sent.length) received.push(await reader.next())
        assert.deepEqual(received, sent)
        stream.end()
        await assert.rejects(reader.next(), purserError("ERR_UNREACHABLE"))
      },
    ),
    { numRuns },
  )
})

test("a long frame in many small parts takes hardly more time than in a few", async () => {
  const stream = new PassThrough({ highWaterMark: 2 ** 26 })
  const reader = new FrameReader(stream, { ...resolveLimits(), frameBytes: 2 ** 25 + 100 })
  const sent = { data: "x".repeat(2 ** 25) }
  const next = reader.next()
  const before = process.cpuUsage()
  const bytes = Buffer.from(`${JSON.stringify(sent)}\n`)
  for (const piece of pieces(bytes, [1448])) stream.write(piece)
  assert.equal((await next)["data"] === sent.data, true)
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system < 5_000_000, `${(user + system) / 1000} ms`)
})

test("the reader reads the writer's frames", async () => {
  await fc.assert(
    fc.asyncProperty(frames, async (sent) => {
      const [a, b] = duplexPair()
      const writer = new FrameWriter(a, resolveLimits())
      const reader = new FrameReader(b, resolveLimits())
      const written = Promise.all(sent.map((frame) => writer.write(frame)))
      for (const frame of sent) assert.deepEqual(await reader.next(), JSON.parse(JSON.stringify(frame)))
      await written
    }),
    { numRuns },
  )
})

test("random bytes never cause an error other than a PurserError, or an endless wait", async () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
    fc
      .string({
        unit: fc.constantFrom("{", "}", "[", "]", '"', ":", ",", "1", "\n", "\\", "a"),
        maxLength: 200,
      })
      .map((text) => Buffer.from(text)),
  )
  await fc.assert(
    fc.asyncProperty(
      noise,
      fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 4 }),
      async (bytes, lengths) => {
        const stream = new PassThrough()
        const reader = new FrameReader(stream, resolveLimits(small))
        for (const piece of pieces(bytes, lengths)) stream.write(piece)
        stream.end()
        for (;;) {
          let frame: Frame
          try {
            frame = await reader.next()
          } catch (error) {
            assert.ok(error instanceof PurserError, String(error))
            assert.ok(["ERR_PROTOCOL", "ERR_LIMIT", "ERR_UNREACHABLE"].includes(error.code), error.code)
            break
          }
          assert.equal(typeof frame, "object")
        }
      },
    ),
    { numRuns },
  )
})

test("refuses a frame at its first byte over the limit, even without a newline", async (t) => {
  const { reader, peer } = ends(t, small)
  peer.write(Buffer.alloc(1024, 0x20))
  await assert.rejects(reader.next(), purserError("ERR_LIMIT", /longer than 1024 bytes/))
})

test("accepts a frame of exactly the limit, newline included", async (t) => {
  const { reader, peer } = ends(t, small)
  const exact = `{"a":"${"x".repeat(1024 - 9)}"}\n`
  assert.equal(exact.length, 1024)
  peer.write(exact)
  assert.ok(await reader.next())
  peer.write(` ${exact}`)
  await assert.rejects(reader.next(), purserError("ERR_LIMIT"))
})

test("buffers at most one frame's limit, and leaves the rest with the peer until the next call", async (t) => {
  const { reader, peer } = ends(t, small)
  const line = `{"a":"${"x".repeat(100)}"}\n`
  const count = 10_000
  let taken = 0
  let drained = Promise.resolve()
  for (let index = 0; index < count; index++) {
    if (!peer.write(line, () => taken++)) drained = once(peer, "drain").then(() => {})
  }
  await new Promise((resolve) => setImmediate(resolve))
  const held = peer.writableLength
  assert.ok(held > count * line.length * 0.8, `only ${held} bytes were left with the peer`)
  assert.ok(taken < count)
  for (let index = 0; index < count; index++) await reader.next()
  await drained
  assert.equal(peer.writableLength, 0)
})

test("refuses frames that are too deep, not JSON, not an object, not UTF-8, and stays failed", async (t) => {
  const cases: [string | Buffer, string, RegExp][] = [
    [`${"[".repeat(9)}${"]".repeat(9)}\n`, "ERR_LIMIT", /deeper than 8/],
    ["hello\n", "ERR_PROTOCOL", /not JSON/],
    ["\n", "ERR_PROTOCOL", /not JSON/],
    ["[]\n", "ERR_PROTOCOL", /not a JSON object/],
    ["null\n", "ERR_PROTOCOL", /not a JSON object/],
    ['"text"\n', "ERR_PROTOCOL", /not a JSON object/],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d, 0x0a]), "ERR_PROTOCOL", /not UTF-8/],
    ["GET / HTTP/1.1\r\n\r\n", "ERR_PROTOCOL", /not JSON/],
  ]
  for (const [bytes, code, message] of cases) {
    const { reader, peer } = ends(t)
    peer.write(bytes)
    peer.write('{"good":true}\n')
    await assert.rejects(reader.next(), purserError(code, message))
    await assert.rejects(reader.next(), purserError(code, message))
  }
})

test("a key __proto__ changes only its own frame", async (t) => {
  const { reader, peer } = ends(t)
  peer.write('{"__proto__":{"polluted":true}}\n')
  const frame = await reader.next()
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined)
  assert.ok(Object.hasOwn(frame, "__proto__"))
})

test("trickling bytes do not extend a frame's time limit", async (t) => {
  const { reader, peer } = ends(t, { frameMs: 150 })
  const drip = setInterval(() => peer.write(" "), 10)
  t.after(() => clearInterval(drip))
  await assert.rejects(reader.next(), purserError("ERR_TIMEOUT", /within 150 ms/))
  await assert.rejects(reader.next(), purserError("ERR_TIMEOUT"))
})

test("a frame that has begun has frameMs, even if the wait for its beginning may be longer", async (t) => {
  const { reader, peer } = ends(t, { frameMs: 100 })
  const drip = setInterval(() => peer.write(" "), 10)
  t.after(() => clearInterval(drip))
  await assert.rejects(reader.next({ timeoutMs: 60_000 }), purserError("ERR_TIMEOUT", /within 100 ms/))
})

test("a frame that began before the call has frameMs from the call on", async (t) => {
  const { reader, peer } = ends(t, { frameMs: 50 })
  peer.write('{"a":')
  await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(reader.next({ timeoutMs: 60_000 }), purserError("ERR_TIMEOUT", /within 50 ms/))
})

test("waits for the beginning as long as timeoutMs, and no longer", async (t) => {
  const { reader, peer } = ends(t, { frameMs: 20 })
  setTimeout(() => peer.write("{}\n"), 60)
  assert.deepEqual(await reader.next({ timeoutMs: 60_000 }), {})
  await assert.rejects(reader.next({ timeoutMs: 30 }), purserError("ERR_TIMEOUT", /within 30 ms/))
})

test("a frame that has already arrived is returned with any time limit", async (t) => {
  const { reader, peer } = ends(t)
  peer.write('{"a":1}\n{"a":2}\n')
  assert.deepEqual(await reader.next(), { a: 1 })
  assert.deepEqual(await reader.next({ timeoutMs: 0 }), { a: 2 })
})

test("the signal's reason ends the wait, and no byte is lost", async (t) => {
  const { reader, peer } = ends(t)
  const controller = new AbortController()
  const waiting = reader.next({ signal: controller.signal })
  peer.write('{"a":')
  const reason = new Error("enough")
  controller.abort(reason)
  await assert.rejects(waiting, reason)
  await assert.rejects(reader.next({ signal: controller.signal }), reason)
  peer.write("1}\n")
  assert.deepEqual(await reader.next(), { a: 1 })
})

test("after a lost connection the arrived frames are returned, then an error that says where it was cut", async (t) => {
  const { reader, peer } = ends(t)
  peer.end('{"a":1}\n{"b"')
  assert.deepEqual(await reader.next(), { a: 1 })
  await assert.rejects(reader.next(), purserError("ERR_UNREACHABLE", /in the middle of a frame/))
  const silent = ends(t)
  const waiting = silent.reader.next()
  silent.peer.end()
  await assert.rejects(waiting, purserError("ERR_UNREACHABLE", /before the first frame/))
})

test("refuses a second call while one waits", async (t) => {
  const { reader, peer } = ends(t)
  const first = reader.next()
  await assert.rejects(reader.next(), TypeError)
  peer.write("{}\n")
  assert.deepEqual(await first, {})
})

test("loses no frame that arrives just as a wait ends", async (t) => {
  const { reader, near } = ends(t)
  const controller = new AbortController()
  const waiting = reader.next({ signal: controller.signal })
  controller.abort(new Error("enough"))
  near.push('{"a":1}\n')
  near.push('{"a":2}\n')
  await assert.rejects(waiting, /enough/)
  const next = reader.next()
  near.push('{"a":3}\n{"a":4}\n')
  assert.deepEqual(
    [await next, await reader.next(), await reader.next(), await reader.next()],
    [{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }],
  )
})
