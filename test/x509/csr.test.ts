import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { SocketAddress } from "node:net"
import { test } from "node:test"
import fc from "fast-check"
import { addressBytes, certificateRequest } from "../../src/x509/csr.ts"
import { signatureAlgorithm } from "../../src/x509/key-families.ts"
import { requireService } from "../support/services.ts"

const names = { dns: ["shop.lan", "*.shop.lan"], ip: ["192.0.2.7", "2001:db8::1"], email: ["ops@shop.lan"] }

const keys = {
  p256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ed25519: generateKeyPairSync("ed25519"),
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
}

for (const [type, { privateKey }] of Object.entries(keys)) {
  test(`openssl reads and verifies a request of ${type}`, async (t) => {
    if (!(await requireService(t, "openssl"))) return
    const request = certificateRequest(privateKey, signatureAlgorithm(privateKey), names, "shop.lan")
    const args = ["req", "-verify", "-noout", "-text"]
    const text = execFileSync("openssl", args, { input: request, stdio: "pipe" }).toString()
    assert.match(text, /Subject: CN = shop\.lan/)
    for (const name of ["DNS:shop.lan", "DNS:*.shop.lan", "IP Address:192.0.2.7", "email:ops@shop.lan"])
      assert.ok(text.includes(name), name)
    assert.match(text, /IP Address:2001:DB8:0:0:0:0:0:1/)
  })
}

test("a subject may be empty", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const request = certificateRequest(keys.p256.privateKey, signatureAlgorithm(keys.p256.privateKey), names)
  const text = execFileSync("openssl", ["req", "-noout", "-subject"], { input: request }).toString()
  assert.match(text, /^subject=\s*$/m)
})

test("addresses in any notation become their bytes", () => {
  assert.deepEqual(addressBytes("255.0.2.10"), Buffer.from([255, 0, 2, 10]))
  const property = fc.property(fc.ipV6(), (text) => {
    const bytes = addressBytes(text)
    assert.equal(bytes.length, 16)
    const spelt = bytes.toString("hex").match(/.{4}/g)?.join(":") ?? ""
    const canonical = (address: string): string => new SocketAddress({ address, family: "ipv6" }).address
    assert.equal(canonical(spelt), canonical(text))
  })
  fc.assert(property)
  for (const strange of ["", "1.2.3", "shop.lan", "fe80::1%eth0", "::1::", "1.2.3.4.5"])
    assert.throws(() => addressBytes(strange), TypeError)
})

test("a key that certificates are not signed with is refused", () => {
  const { privateKey } = generateKeyPairSync("x25519")
  assert.throws(() => signatureAlgorithm(privateKey), TypeError)
  assert.throws(
    () => signatureAlgorithm(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey),
    TypeError,
  )
})
