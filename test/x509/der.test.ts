import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import * as der from "../../src/x509/der.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const numRuns = process.env["SLOW"] === undefined ? 200 : 10_000

// Expected bytes are from X.690 and from `openssl asn1parse -genstr`.

test("writes integers in their shortest two's complement", () => {
  const cases: [number, string][] = [
    [0, "020100"],
    [127, "02017f"],
    [128, "02020080"],
    [256, "02020100"],
    [-1, "0201ff"],
    [-128, "020180"],
    [-129, "0202ff7f"],
    [65_537, "0203010001"],
    [Number.MAX_SAFE_INTEGER, "02071fffffffffffff"],
  ]
  for (const [value, expected] of cases) assert.equal(hex(der.integer(value)), expected)
})

test("writes the bytes of a non-negative integer without leading zeros, and never as a negative number", () => {
  assert.equal(hex(der.integer(Buffer.from("00007f", "hex"))), "02017f")
  assert.equal(hex(der.integer(Buffer.from("80", "hex"))), "02020080")
  assert.equal(hex(der.integer(Buffer.alloc(4))), "020100")
  assert.equal(hex(der.integer(Buffer.alloc(0))), "020100")
})

test("a number and its bytes are the same integer", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = Buffer.from(value.toString(16).padStart(16, "0"), "hex")
      assert.deepEqual(der.integer(bytes), der.integer(value))
    }),
    { numRuns },
  )
})

test("writes lengths of one, two and three bytes", () => {
  assert.equal(hex(der.octetString(Buffer.alloc(127))).slice(0, 4), "047f")
  assert.equal(hex(der.octetString(Buffer.alloc(128))).slice(0, 6), "048180")
  assert.equal(hex(der.octetString(Buffer.alloc(256))).slice(0, 8), "04820100")
  assert.equal(hex(der.octetString(Buffer.alloc(65_536))).slice(0, 10), "0483010000")
})

test("writes object identifiers with arcs of several bytes", () => {
  assert.equal(hex(der.oid("1.2.840.10045.4.3.2")), "06082a8648ce3d040302")
  assert.equal(hex(der.oid("2.999.3")), "0603883703")
  assert.equal(hex(der.oid("2.5.4.3")), "0603550403")
  for (const wrong of ["", "1", "1.2.x", "1.-2.3"]) assert.throws(() => der.oid(wrong), TypeError)
})

test("writes strings, booleans, null, bit strings and context tags", () => {
  assert.equal(hex(der.utf8("é")), "0c02c3a9")
  assert.equal(hex(der.printable("DE")), "13024445")
  assert.equal(hex(der.ia5("a@b")), "1603614062")
  assert.equal(hex(der.boolean(true)), "0101ff")
  assert.equal(hex(der.boolean(false)), "010100")
  assert.equal(hex(der.nothing()), "0500")
  assert.equal(hex(der.bitString(Uint8Array.of(0x80), 7)), "03020780")
  assert.equal(hex(der.contextTag(0, der.integer(2))), "a003020102")
  assert.equal(hex(der.contextPrimitive(2, Buffer.from("a.b"))), "8203612e62")
  assert.throws(() => der.printable("a@b"), TypeError)
  assert.throws(() => der.ia5("é"), TypeError)
  assert.throws(() => der.contextTag(31), TypeError)
})

test("writes a set in the order of its elements' encodings", () => {
  assert.deepEqual(der.set(der.integer(2), der.integer(1)), der.set(der.integer(1), der.integer(2)))
  assert.equal(hex(der.set(der.integer(2), der.integer(1))), "3106020101020102")
})

test("writes years with two digits until 2049, and with four from 2050 on", () => {
  assert.equal(der.time(new Date(0)).toString("latin1"), "\x17\x0d700101000000Z")
  assert.equal(der.time(new Date("2049-12-31T23:59:59.999Z")).toString("latin1"), "\x17\x0d491231235959Z")
  assert.equal(der.time(new Date("2050-01-01T00:00:00Z")).toString("latin1"), "\x18\x0f20500101000000Z")
  assert.equal(der.time(new Date("1949-12-31T00:00:00Z")).toString("latin1"), "\x18\x0f19491231000000Z")
})

test("breaks PEM after 64 characters", () => {
  assert.equal(
    der.pem("X", Buffer.alloc(49)),
    `-----BEGIN X-----\n${"A".repeat(64)}\nAA==\n-----END X-----\n`,
  )
})
