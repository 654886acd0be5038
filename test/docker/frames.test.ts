import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { OutputReader } from "../../src/docker/frames.ts"

const numRuns = process.env["SLOW"] === undefined ? 200 : 20_000

function frame(stream: number, content: Uint8Array): Buffer {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(content.byteLength, 4)
  return Buffer.concat([header, content])
}

/** Cuts `bytes` into pieces, each as long as the next number of `cuts`. */
function* pieces(bytes: Buffer, cuts: readonly number[]): Generator<Buffer> {
  let at = 0
  for (const length of cuts) {
    yield bytes.subarray(at, at + length)
    at += length
  }
  yield bytes.subarray(at)
}

const output = fc.tuple(fc.constantFrom(0, 1, 2), fc.uint8Array({ maxLength: 40 }))
const cuts = fc.array(fc.nat({ max: 15 }), { maxLength: 40 })

test("frames cut anywhere give the same two streams", () => {
  fc.assert(
    fc.property(fc.array(output, { maxLength: 8 }), cuts, (frames, lengths) => {
      const reader = new OutputReader()
      const found = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
      const wire = Buffer.concat(frames.map(([stream, content]) => frame(stream, content)))
      for (const piece of pieces(wire, lengths)) {
        for (const { stream, bytes } of reader.push(piece)) found[stream].push(bytes)
      }
      const expected = (isError: boolean): Uint8Array[] =>
        frames.flatMap(([stream, content]) => ((stream === 2) === isError ? [content] : []))
      assert.deepEqual(Buffer.concat(found.stdout), Buffer.concat(expected(false)))
      assert.deepEqual(Buffer.concat(found.stderr), Buffer.concat(expected(true)))
      assert.ok(reader.isWhole)
    }),
    { numRuns },
  )
})

test("a stream that ends inside a frame is not whole", () => {
  const wire = frame(1, Buffer.from("hello"))
  for (let length = 1; length < wire.byteLength; length++) {
    const reader = new OutputReader()
    Array.from(reader.push(wire.subarray(0, length)))
    assert.ok(!reader.isWhole, `${length} bytes`)
  }
})

test("any bytes that are not a frame are refused", () => {
  const read = (bytes: Uint8Array): unknown => Array.from(new OutputReader().push(Buffer.from(bytes)))
  for (const bytes of ["HTTP/1.1 200 OK\r\n", "\x03\0\0\0\0\0\0\x01x", "\x01\0\0\x01\0\0\0\x01x"]) {
    assert.throws(() => read(Buffer.from(bytes, "latin1")), { code: "ERR_DOCKER" })
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        read(bytes)
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, "ERR_DOCKER")
      }
    }),
    { numRuns },
  )
})
