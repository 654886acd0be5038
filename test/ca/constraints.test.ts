import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto"
import { test } from "node:test"
import { pem } from "../../src/x509/der.ts"
import { newSerial, signCertificate } from "../../src/ca/certificate.ts"
import type { CertificateRecord } from "../../src/ca/records/record.ts"
import type { Constraints } from "../../src/ca/config.ts"
import { checkConstraints, readConstraints } from "../../src/ca/constraints.ts"
import { requireService } from "../support/services.ts"
import { asking, opensslVerify } from "./state.ts"

/** Whether we refuse exactly what openssl would not accept. */

const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) }

function rootWith(constraints: Constraints): X509Certificate {
  const profile = {
    kind: "root",
    subject: "root",
    publicKey: createPublicKey(key),
    serial: newSerial(),
  } as const
  return new X509Certificate(signCertificate({ ...profile, ...times, constraints, pathLength: 1 }, key))
}

const none = { dns: [], ip: [], email: [] }
const dnsNames = [
  "shop.lan",
  "a.shop.lan",
  "*.shop.lan",
  "evilshop.lan",
  "lan",
  "shop.lan.example",
  "office.lan",
]
const addresses = [
  "10.0.0.1",
  "10.255.1.2",
  "11.0.0.1",
  "192.0.2.7",
  "192.0.2.8",
  "fd00::1",
  "fe80::1",
  "::1",
]
const mailboxes = ["ops@shop.lan", "dev@shop.lan", "ops@a.shop.lan", "ops@office.lan"]

const cases: [what: string, constraints: Constraints][] = [
  ["none", none],
  ["a name", { ...none, dns: ["shop.lan"] }],
  ["all names below one", { ...none, dns: [".shop.lan"] }],
  ["several names", { ...none, dns: ["shop.lan", "office.lan"] }],
  ["an IPv4 network", { ...none, ip: ["10.0.0.0/8"] }],
  ["an address and an IPv6 network", { ...none, ip: ["192.0.2.7", "fd00::/8"] }],
  ["a network that ends within a byte", { ...none, ip: ["10.128.0.0/9"] }],
  ["the mailboxes of a domain", { ...none, email: ["@shop.lan"] }],
  ["one mailbox", { ...none, email: ["ops@shop.lan"] }],
  ["all kinds", { dns: ["shop.lan"], ip: ["10.0.0.0/8"], email: ["@shop.lan"] }],
]

for (const [what, constraints] of cases) {
  test(`with constraints to ${what}, refused is exactly what openssl refuses`, async (t) => {
    if (!(await requireService(t, "openssl"))) return
    const root = rootWith(constraints)
    const read = await readConstraints(root)
    assert.equal(read === null, what === "none")
    const asks = [
      ...dnsNames.map((name) => asking(name)),
      ...addresses.map((address) => asking([], { ip: [address] })),
      ...mailboxes.map((mailbox) => asking([], { email: [mailbox] })),
    ]
    const wrong: string[] = []
    for (const ask of asks) {
      const profile = {
        kind: "leaf",
        subject: "",
        publicKey: createPublicKey(key),
        serial: newSerial(),
      } as const
      const der = signCertificate({ ...profile, ...times, ask }, { certificate: root.raw, key })
      const record = { certificate: pem("CERTIFICATE", der), chain: [""] } as unknown as CertificateRecord
      const said = await opensslVerify(t, { ...record, chain: [root.toString()] }, root.toString())
      const allowed = (() => {
        try {
          if (read !== null) checkConstraints(ask, read)
          return true
        } catch {
          return false
        }
      })()
      if (allowed !== (said === "leaf: OK")) wrong.push(`${JSON.stringify(ask)} allowed: ${allowed}; ${said}`)
    }
    assert.deepEqual(wrong, [])
  })
}
