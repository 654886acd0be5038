import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { digestOf } from "../../src/base/digest.ts"
import { PurserError } from "../../src/base/errors.ts"
import type { Frame } from "../../src/channel/frames.ts"
import {
  isActionName,
  parseAnswer,
  parseChunk,
  parseFromNode,
  parseHello,
  parseListing,
  parseReply,
} from "../../src/channel/messages.ts"
import { numRuns, purserError } from "./support.ts"

const digest = digestOf(Buffer.from("x"))
const hello = {
  type: "hello",
  protocol: "purser/1",
  app: "web",
  node: "vps-1",
  version: "0.1.0",
  proof: "A".repeat(43),
}
const file = { type: "request", id: 1, action: "file", name: "db-password", have: digest }
const ask = { type: "request", id: 2, action: "signCsr", parameters: { csr: "x", deep: [{ a: 1 }] } }
const list = { type: "request", id: 3, action: "list" }
const sent = { type: "answer", id: 1, status: "sent", digest, size: 5, chunks: 1 }
const bare = { type: "answer", id: 1, status: "match", digest, message: "hm" }
const chunk = { type: "chunk", id: 1, index: 0, data: "aGVsbG8=" }
const done = { type: "done", status: "failed", written: 1, unchanged: 2, missing: 0, message: "no" }

type Parser = (frame: Frame) => unknown
const good: [Parser, Frame][] = [
  [parseHello, hello],
  [parseHello, { ...hello, proof: null }],
  [parseReply, { type: "welcome", version: "1.2.3-rc.1" }],
  [parseReply, { type: "refused" }],
  [parseFromNode, file],
  [parseFromNode, { ...file, have: null }],
  [parseFromNode, ask],
  [parseFromNode, list],
  [parseFromNode, done],
  [parseFromNode, { type: "done", status: "ok", written: 0, unchanged: 0, missing: 0 }],
  [parseAnswer, sent],
  [parseAnswer, { ...sent, size: 0, chunks: 0 }],
  [parseAnswer, { ...sent, size: 32_769, chunks: 2 }],
  [parseAnswer, bare],
  [parseAnswer, { type: "answer", id: 9, status: "denied" }],
  [parseAnswer, { type: "answer", id: 9, status: "missing" }],
  [parseAnswer, { type: "answer", id: 9, status: "failed", message: "it broke" }],
  [parseChunk, chunk],
]

test("parses every message of the protocol unchanged", () => {
  for (const [parse, frame] of good) assert.deepEqual(parse(frame), frame)
})

test("drops unknown fields", () => {
  for (const [parse, frame] of good) assert.deepEqual(parse({ ...frame, future: { any: ["thing"] } }), frame)
})

test("optional fields may be absent", () => {
  assert.deepEqual(parseFromNode({ type: "request", id: 1, action: "file", name: "a" }), {
    type: "request",
    id: 1,
    action: "file",
    name: "a",
    have: null,
  })
  assert.deepEqual(parseFromNode({ type: "request", id: 1, action: "x" }), {
    type: "request",
    id: 1,
    action: "x",
    parameters: {},
  })
})

test("a request with an invalid secret name is parsed, so that the agent can deny it", () => {
  for (const name of ["../../etc/shadow", "/etc/shadow", "a\0b", "", "x".repeat(300)]) {
    assert.deepEqual(parseFromNode({ ...file, name }), { ...file, name })
  }
})

test("refuses every field with a wrong type or value, and names it", () => {
  const cases: [Parser, Frame, string, unknown[]][] = [
    [parseHello, hello, "protocol", [undefined, 1, "purser/2", ""]],
    [parseHello, hello, "app", [undefined, 1, "", "Web", "a/b", "x".repeat(64), "a\u001b[2J"]],
    [parseHello, hello, "node", [undefined, null, "", "A", "a b", "\u001b]0;owned\u0007"]],
    [parseHello, hello, "version", [undefined, 1, "", "a b", "x".repeat(65), "1\u001b[2J"]],
    [
      parseHello,
      hello,
      "proof",
      [undefined, 1, "", "A".repeat(42), "A".repeat(44), `${"A".repeat(42)}B`, {}],
    ],
    [parseReply, { type: "welcome", version: "1" }, "version", [undefined, 1, ""]],
    [parseFromNode, file, "id", [undefined, 0, -1, 1.5, "1", 2 ** 53, null]],
    [parseFromNode, file, "action", [undefined, 1, "", "a b", "../x", "x".repeat(64), "é"]],
    [parseFromNode, file, "name", [undefined, null, 1, ["a"], "x".repeat(1025)]],
    [parseFromNode, file, "have", [1, "", "sha256:", digest.toUpperCase(), digest.slice(1), {}]],
    [parseFromNode, ask, "parameters", [1, "x", []]],
    [parseFromNode, done, "status", [undefined, "", "maybe", 1]],
    [parseFromNode, done, "written", [undefined, -1, 1.5, "1", 1e9]],
    [parseFromNode, done, "unchanged", [undefined, -1]],
    [parseFromNode, done, "missing", [undefined, -1]],
    [parseFromNode, done, "message", [1, null, {}, "x".repeat(1025)]],
    [parseAnswer, sent, "id", [undefined, 0, "1"]],
    [parseAnswer, sent, "status", [undefined, "", "Sent", 1, "toString"]],
    [parseAnswer, sent, "digest", [undefined, null, 1, "sha256:xyz"]],
    [parseAnswer, sent, "size", [undefined, -1, 1.5, "5", 16 * 1024 * 1024 + 1, Number.MAX_VALUE]],
    [parseAnswer, sent, "chunks", [undefined, -1, 0, 6, 1.5]],
    [parseAnswer, { ...sent, size: 32_769 }, "chunks", [1]],
    [parseAnswer, { ...sent, size: 0 }, "chunks", [1]],
    [parseAnswer, bare, "digest", [1, "sha256:xyz"]],
    [parseAnswer, bare, "message", [1, null]],
    [parseChunk, chunk, "id", [undefined, 0]],
    [parseChunk, chunk, "index", [undefined, -1, "0", 0.5]],
    [parseChunk, chunk, "data", [undefined, 1, null, "A".repeat(43_696)]],
  ]
  for (const [parse, frame, field, values] of cases) {
    for (const value of values) {
      const message = new RegExp(`has an invalid ${field}$`)
      assert.throws(
        () => parse({ ...frame, [field]: value }),
        purserError("ERR_PROTOCOL", message),
        `${field} ${String(value)}`,
      )
    }
  }
})

test("refuses an unexpected message, and escapes the type that it quotes", () => {
  const all = good.map(([, frame]) => frame)
  const due: [Parser, readonly string[]][] = [
    [parseHello, ["hello"]],
    [parseReply, ["welcome", "refused"]],
    [parseFromNode, ["request", "done"]],
    [parseAnswer, ["answer"]],
    [parseChunk, ["chunk"]],
  ]
  for (const [parse, types] of due) {
    for (const frame of all.filter(({ type }) => !types.includes(String(type)))) {
      assert.throws(() => parse(frame), purserError("ERR_PROTOCOL", /instead of /), String(frame["type"]))
    }
    assert.throws(() => parse({}), purserError("ERR_PROTOCOL", /sent nothing instead/))
    assert.throws(() => parse({ type: 7 }), purserError("ERR_PROTOCOL", /sent a number instead/))
    assert.throws(
      () => parse({ type: "\u001b[2J" }),
      (error) =>
        purserError("ERR_PROTOCOL", /\\x1b/)(error) && !(error as PurserError).message.includes("\u001b"),
    )
  }
})

test("for any object a parser returns a message or throws ERR_PROTOCOL", () => {
  const pieces = fc.constantFrom<unknown>(...good.flatMap(([, frame]) => Object.values(frame)))
  const keys = fc.constantFrom(...new Set(good.flatMap(([, frame]) => Object.keys(frame))))
  const fromPieces = fc
    .array(fc.tuple(keys, fc.oneof(pieces, fc.jsonValue())), { maxLength: 9 })
    .map((all) => Object.fromEntries(all) as Frame)
  const anything = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<Frame>
  const parsers = [parseHello, parseReply, parseFromNode, parseAnswer, parseChunk]
  fc.assert(
    fc.property(fc.oneof({ arbitrary: fromPieces, weight: 4 }, anything), (frame) => {
      for (const parse of parsers) {
        try {
          assert.equal(parse(frame).type, frame["type"])
        } catch (error) {
          assert.ok(error instanceof PurserError && error.code === "ERR_PROTOCOL", String(error))
        }
      }
    }),
    { numRuns: numRuns * 5 },
  )
})

test("parses a listing without its unknown fields", () => {
  const listing = { secrets: [{ name: "a/b", size: 3 }, { name: "c" }], actions: ["certificate"] }
  assert.deepEqual(parseListing(JSON.stringify(listing)), listing)
  const more = { ...listing, secrets: [{ name: "c", colour: "red" }], more: 1 }
  assert.deepEqual(parseListing(JSON.stringify(more)), { secrets: [{ name: "c" }], actions: ["certificate"] })
  assert.deepEqual(parseListing('{"secrets":[],"actions":[]}'), { secrets: [], actions: [] })
})

test("refuses a listing with a wrong shape, name or size", () => {
  const wrong = [
    "",
    "[]",
    "{}",
    '{"secrets":{},"actions":[]}',
    '{"secrets":[]}',
    '{"secrets":["a"],"actions":[]}',
    '{"secrets":[null],"actions":[]}',
    '{"secrets":[{"name":"../x"}],"actions":[]}',
    '{"secrets":[{"name":"/x"}],"actions":[]}',
    '{"secrets":[{"name":"x","size":-1}],"actions":[]}',
    '{"secrets":[],"actions":[1]}',
    '{"secrets":[],"actions":["a b"]}',
  ]
  for (const text of wrong) assert.throws(() => parseListing(text), purserError("ERR_PROTOCOL"), text)
  assert.throws(() => parseListing("[".repeat(10_000)), purserError("ERR_LIMIT"))
})

test("accepts the names of actions and refuses others", () => {
  for (const name of ["list", "certificate", "sign-csr", "signCsr", "a.b_c", "x".repeat(63)])
    assert.ok(isActionName(name), name)
  for (const name of ["", "-a", ".a", "a b", "a/b", "é", "x".repeat(64)]) assert.ok(!isActionName(name), name)
})
