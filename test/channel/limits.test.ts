import assert from "node:assert/strict"
import { test } from "node:test"
import { defaultLimits, resolveLimits, type ChannelLimits } from "../../src/channel/limits.ts"
import { purserError } from "./support.ts"

test("the defaults are the documented ones", () => {
  assert.deepEqual(resolveLimits(), {
    handshakeMs: 10_000,
    pendingHandshakes: 16,
    sessions: 4,
    frameMs: 30_000,
    sessionMs: 300_000,
    requests: 1000,
    frameBytes: 65_536,
    depth: 8,
    chunkBytes: 32_768,
    secretBytes: 1_048_576,
  } satisfies ChannelLimits)
})

test("every limit can be changed without changing the others", () => {
  for (const name of Object.keys(defaultLimits) as (keyof ChannelLimits)[]) {
    const value = { frameBytes: 100_000, depth: 4 }[name as string] ?? 2
    assert.deepEqual(resolveLimits({ [name]: value }), { ...defaultLimits, [name]: value })
  }
})

test("refuses a value out of range and names it", () => {
  const wrong: Partial<ChannelLimits>[] = [
    { sessions: 0 },
    { sessions: 1.5 },
    { frameMs: Number.NaN },
    { frameMs: Number.POSITIVE_INFINITY },
    { secretBytes: 16 * 1024 * 1024 + 1 },
    { chunkBytes: 32_769 },
    { depth: 2 },
  ]
  for (const changes of wrong) {
    const name = Object.keys(changes)[0] ?? ""
    assert.throws(() => resolveLimits(changes), purserError("ERR_CONFIG", new RegExp(name)))
  }
  assert.doesNotThrow(() => resolveLimits({ secretBytes: 16 * 1024 * 1024 }))
})

test("refuses a frame limit that cannot hold a chunk", () => {
  assert.throws(() => resolveLimits({ frameBytes: 32_768 }), purserError("ERR_CONFIG", /does not fit/))
  assert.doesNotThrow(() => resolveLimits({ frameBytes: 32_768, chunkBytes: 16_384 }))
})
