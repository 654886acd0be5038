import assert from "node:assert/strict"
import { Writable } from "node:stream"
import { test } from "node:test"
import { FrameWriter } from "../../src/channel/frame-writer.ts"
import { FrameReader } from "../../src/channel/frames.ts"
import { resolveLimits } from "../../src/channel/limits.ts"
import { ends, purserError } from "./support.ts"

const small = { frameBytes: 1024, chunkBytes: 256 }

test("frames written in one turn are sent in one piece", async () => {
  const pieces: string[] = []
  const last = Promise.withResolvers<void>()
  const stream = new Writable({
    writev(chunks, done) {
      pieces.push(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)).toString())
      done()
      if (pieces.length === 2) last.resolve()
    },
  })
  const writer = new FrameWriter(stream, resolveLimits())
  await writer.write({ a: 1 })
  await writer.write({ a: 2 })
  await new Promise((resolve) => setImmediate(resolve))
  await writer.write({ a: 3 })
  await last.promise
  assert.deepEqual(pieces, ['{"a":1}\n{"a":2}\n', '{"a":3}\n'])
})

test("refuses to write a frame over the limits", async (t) => {
  const { writer } = ends(t, small)
  await assert.rejects(writer.write({ a: "x".repeat(1024) }), purserError("ERR_LIMIT", /longer than 1024/))
  const deep: unknown = JSON.parse(`${"[".repeat(8)}${"]".repeat(8)}`)
  await assert.rejects(writer.write({ deep }), purserError("ERR_LIMIT", /deeper than 8/))
})

test("a writer waits for a peer that does not read, but not forever", async (t) => {
  const { writer } = ends(t, { frameMs: 50 })
  const write = async (): Promise<void> => {
    for (;;) await writer.write({ data: "x".repeat(40_000) })
  }
  await assert.rejects(write(), purserError("ERR_TIMEOUT", /read nothing for 50 ms/))
})

test("a writer continues when the peer reads again", async (t) => {
  const { writer, peer } = ends(t)
  const written = (async () => {
    for (let index = 0; index < 20; index++) await writer.write({ data: "x".repeat(40_000) })
  })()
  await new Promise((resolve) => setImmediate(resolve))
  const received = new FrameReader(peer, resolveLimits())
  for (let index = 0; index < 20; index++) await received.next()
  await written
})

test("a long frame may take longer than the limit, as long as the peer reads", async () => {
  const received: Buffer[] = []
  const slow = new Writable({
    write(part: Buffer, _encoding, done) {
      received.push(part)
      setTimeout(done, part.length / 2000)
    },
  })
  const limits = { ...resolveLimits({ frameMs: 200 }), frameBytes: 2 * 1024 * 1024 }
  const frame = { data: "x".repeat(1024 * 1024) }
  await new FrameWriter(slow, limits).write(frame)
  await new Promise<void>((resolve) => slow.end(resolve))
  assert.equal(Buffer.concat(received).toString() === `${JSON.stringify(frame)}\n`, true)
})

/** Writes frames until a write fails. */
async function writeForever(writer: FrameWriter, signal?: AbortSignal): Promise<never> {
  for (;;) await writer.write({ data: "x".repeat(40_000) }, signal === undefined ? {} : { signal })
}

test("writing to a lost connection is ERR_UNREACHABLE", async (t) => {
  const { writer, near } = ends(t)
  setImmediate(() => near.destroy())
  await assert.rejects(writeForever(writer), purserError("ERR_UNREACHABLE"))
  await assert.rejects(writer.write({}), purserError("ERR_UNREACHABLE"))
})

test("the signal's reason ends a write that waits", async (t) => {
  const { writer } = ends(t)
  const controller = new AbortController()
  const reason = new Error("enough")
  setImmediate(() => controller.abort(reason))
  await assert.rejects(writeForever(writer, controller.signal), reason)
  await assert.rejects(writer.write({}, { signal: controller.signal }), reason)
})
