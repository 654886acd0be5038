import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { isPurserError } from "../../src/base/errors.ts"
import { checkNames } from "../../src/ca/certificate-spec.ts"
import type { Policy } from "../../src/ca/config.ts"
import { checkPolicy } from "../../src/ca/policy.ts"
import { dueAt } from "../../src/ca/renewal.ts"
import { asking } from "./state.ts"

const any: Policy = { client: true, maxDays: 397, keys: ["p256"] }

function allowed(policy: Partial<Policy>, names: Partial<ReturnType<typeof asking>>): boolean {
  try {
    checkPolicy(checkNames(asking([], names)), "p256", { ...any, ...policy }, "the CA")
    return true
  } catch (error) {
    assert.ok(isPurserError(error, "ERR_CA_POLICY"), String(error))
    assert.ok(error.hint, "it says what is allowed")
    return false
  }
}

test("names are brought into the form that certificates hold, each once", () => {
  const { dns, ip, email } = checkNames(
    asking(["Shop.LAN", "shop.lan.", "bücher.lan", "*.Shop.lan"], {
      ip: ["2001:DB8:0:0::7", "2001:db8::7", "192.0.2.7"],
      email: ["Ops@Shop.LAN"],
    }),
  )
  assert.deepEqual(dns, ["shop.lan", "xn--bcher-kva.lan", "*.shop.lan"])
  assert.deepEqual(ip, ["2001:db8::7", "192.0.2.7"])
  assert.deepEqual(email, ["Ops@shop.lan"])
})

test("what is no name is refused and named", () => {
  const wrong: [string, Partial<ReturnType<typeof asking>>][] = [
    ["a..lan", { dns: ["a..lan"] }],
    ["-a.lan", { dns: ["-a.lan"] }],
    ["*", { dns: ["*"] }],
    ["a.*.lan", { dns: ["a.*.lan"] }],
    ["192.0.2.7", { dns: ["192.0.2.7"] }],
    ["a b", { dns: ["a b"] }],
    ["a.lan/b", { dns: ["a.lan/b"] }],
    ["a.lan?b", { dns: ["a.lan?b"] }],
    ["a.lan#b", { dns: ["a.lan#b"] }],
    ["a.lan:80", { dns: ["a.lan:80"] }],
    ["ops@a.lan", { dns: ["ops@a.lan"] }],
    ["%61.lan", { dns: ["%61.lan"] }],
    [".lan", { dns: ["a\tb.lan"] }],
    [".lan", { dns: ["a\0.lan"] }],
    ["", { dns: [""] }],
    ["shop.lan", { ip: ["shop.lan"] }],
    ["fe80::1%eth0", { ip: ["fe80::1%eth0"] }],
    ["ops", { email: ["ops"] }],
    ["a@b@c", { email: ["a@b@c"] }],
    ["ops@*.lan", { email: ["ops@*.lan"] }],
    ["a.lan/b", { email: ["ops@a.lan/b"] }],
  ]
  for (const [name, ask] of wrong) {
    assert.throws(
      () => checkNames(asking([], ask)),
      (error: unknown) => isPurserError(error, "ERR_CA_POLICY") && error.message.includes(name),
      name,
    )
  }
  assert.throws(() => checkNames(asking([])), { code: "ERR_CA_POLICY", message: /needs at least one name/ })
  const many = Array.from({ length: 101 }, (_, index) => `a${index}.lan`)
  assert.throws(() => checkNames(asking(many)), { code: "ERR_CA_POLICY", message: /more than 100/ })
})

test("a rule is a name, all names below, or a wildcard, and each is only that", () => {
  const dns = (rule: string, name: string): boolean => allowed({ dns: [rule] }, { dns: [name] })
  assert.ok(dns("shop.lan", "shop.lan"))
  assert.ok(dns("shop.lan", "SHOP.lan"))
  assert.ok(dns(".shop.lan", "a.shop.lan"))
  assert.ok(dns(".shop.lan", "a.b.shop.lan"))
  assert.ok(dns("*.shop.lan", "*.shop.lan"))
  for (const [rule, name] of [
    ["shop.lan", "a.shop.lan"],
    [".shop.lan", "shop.lan"],
    [".shop.lan", "evilshop.lan"],
    [".shop.lan", "*.shop.lan"],
    [".shop.lan", "shop.lan.evil"],
    ["*.shop.lan", "a.shop.lan"],
  ] as const)
    assert.ok(!dns(rule, name), `${rule} ${name}`)
})

test("addresses by network, mailboxes by domain", () => {
  const ip = (rule: string, address: string): boolean => allowed({ ip: [rule] }, { ip: [address] })
  assert.ok(ip("10.0.0.0/8", "10.255.0.1"))
  assert.ok(ip("192.0.2.7", "192.0.2.7"))
  assert.ok(ip("fd00::/8", "fd12::1"))
  assert.ok(!ip("10.0.0.0/8", "11.0.0.1"))
  assert.ok(!ip("192.0.2.7", "192.0.2.8"))
  assert.ok(!ip("0.0.0.0/0", "::1"))
  assert.ok(!ip("::/0", "192.0.2.7"))
  const email = (rule: string, mailbox: string): boolean => allowed({ email: [rule] }, { email: [mailbox] })
  assert.ok(email("@shop.lan", "ops@shop.lan"))
  assert.ok(email("ops@shop.lan", "ops@SHOP.lan"))
  assert.ok(!email("@shop.lan", "ops@a.shop.lan"))
  assert.ok(!email("ops@shop.lan", "root@shop.lan"))
})

test("an absent list allows any, an empty one none", () => {
  assert.ok(allowed({}, { dns: ["a.lan"], ip: ["192.0.2.1"], email: ["a@b.lan"] }))
  assert.ok(!allowed({ ip: [] }, { dns: ["a.lan"], ip: ["192.0.2.1"] }))
  assert.ok(allowed({ ip: [] }, { dns: ["a.lan"] }))
})

test("one name that is not allowed is enough", () => {
  assert.ok(!allowed({ dns: ["a.lan"] }, { dns: ["a.lan", "b.lan"] }))
})

test("clients, days and keys have their own rules", () => {
  assert.ok(!allowed({ client: false }, { dns: ["a.lan"], client: true }))
  assert.ok(allowed({ maxDays: 30 }, { dns: ["a.lan"], days: 30 }))
  assert.ok(!allowed({ maxDays: 30 }, { dns: ["a.lan"], days: 31 }))
  assert.throws(() => checkPolicy(asking("a.lan"), "rsa2048", any, "web"), {
    code: "ERR_CA_POLICY",
    message: "the policy of web does not allow keys of type rsa2048",
    hint: "it allows p256",
  })
})

test("a name of another alphabet, and any other text, is either refused or one that a certificate can hold", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.domain()), (name) => {
      try {
        for (const one of checkNames(asking(name)).dns) assert.match(one, /^(\*\.)?[a-z0-9_.-]+$/)
      } catch (error) {
        assert.ok(isPurserError(error, "ERR_CA_POLICY"), String(error))
      }
    }),
  )
})

test("renewal is due before two thirds of its life are over, spread over a twentieth, the same each time", () => {
  const day = 86_400_000
  const begin = fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
  const shares: number[] = []
  fc.assert(
    fc.property(begin, fc.integer({ min: 1, max: 4000 }), fc.uuid(), (from, days, serial) => {
      const to = new Date(from.getTime() + days * day)
      const due = dueAt(from, to, serial)
      const share = (due.getTime() - from.getTime()) / (days * day)
      shares.push(share)
      assert.ok(share > 2 / 3 - 0.05 - 1e-6 && share <= 2 / 3, String(share))
      assert.deepEqual(dueAt(from, to, serial), due)
    }),
  )
  assert.ok(Math.max(...shares) - Math.min(...shares) > 0.03, "spread")
})
