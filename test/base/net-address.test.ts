import assert from "node:assert/strict"
import fc from "fast-check"
import { suite, test } from "node:test"
import { certificateHostName, formatHostPort, isHostName, splitHostPort } from "../../src/base/net-address.ts"

suite("splitHostPort", () => {
  const cases: [text: string, host: string | undefined, port: number | undefined][] = [
    ["web", "web", undefined],
    ["web:80", "web", 80],
    [":80", undefined, 80],
    ["192.0.2.7:65535", "192.0.2.7", 65_535],
    ["[2001:db8::7]", "2001:db8::7", undefined],
    ["[2001:db8::7]:443", "2001:db8::7", 443],
    ["[fe80::1%eth0]:1", "fe80::1%eth0", 1],
  ]
  for (const [text, host, port] of cases) {
    test(`reads ${text}`, () => assert.deepEqual(splitHostPort(text), { host, port }))
  }

  for (const text of [
    "",
    "a b",
    "2001:db8::7",
    "[192.0.2.7]:1",
    "[]:1",
    "web:65536",
    "web:",
    "a/b:1",
    "u@h:1",
    "[::1",
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(splitHostPort(text), null))
  }

  test("reads what formatHostPort writes", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
        fc.integer({ min: 0, max: 65_535 }),
        (host, port) => {
          assert.deepEqual(splitHostPort(formatHostPort(host, port)), { host, port })
        },
      ),
    )
  })

  test("never throws", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void splitHostPort(text)))
  })
})

suite("isHostName", () => {
  for (const name of ["web", "tasks.web", "my_service", "_purser._tcp.example.org", "a1", "localhost."]) {
    test(`accepts ${name}`, () => assert.ok(isHostName(name)))
  }
  for (const name of ["", ".", "123", "2O3.0.113.7", "-a", "a-", "a..b", "a b", "a/b", `${"a".repeat(64)}`]) {
    test(`refuses ${JSON.stringify(name)}`, () => assert.ok(!isHostName(name)))
  }
})

suite("certificateHostName", () => {
  const cases: [name: string, expected: string | null][] = [
    ["Shop.LAN", "shop.lan"],
    ["shop.lan.", "shop.lan"],
    ["*.Bücher.example", "*.xn--bcher-kva.example"],
    ["a.lan/b", null],
    ["a%61.lan", null],
    ["192.0.2.7", null],
    ["*", null],
    ["", null],
  ]
  for (const [name, expected] of cases) {
    test(`${JSON.stringify(name)} is ${expected ?? "refused"}`, () =>
      assert.equal(certificateHostName(name), expected))
  }
})
