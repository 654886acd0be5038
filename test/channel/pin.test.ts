import assert from "node:assert/strict"
import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto"
import { test } from "node:test"
import fc from "fast-check"
import { createIdentity } from "../../src/channel/identity.ts"
import { SpkiCache } from "../../src/channel/spki-cache.ts"
import { isPin, parsePin, pinOfCertificate, pinOfSpki, samePin, type Pin } from "../../src/channel/pin.ts"
import { certificateFor, numRuns, purserError } from "./support.ts"

test("a pin is sha256: and the base64url of the SHA-256 of the SPKI", () => {
  const { certificatePem, pin, spkiSha256 } = createIdentity()
  const spki = createPublicKey(certificatePem).export({ type: "spki", format: "der" })
  const hash = createHash("sha256").update(spki).digest()
  assert.deepEqual(spkiSha256, hash)
  assert.equal(pin, `sha256:${hash.toString("base64url")}`)
  assert.equal(pinOfSpki(spki), pin)
  assert.equal(pinOfCertificate(certificatePem), pin)
  assert.equal(pinOfCertificate(new X509Certificate(certificatePem).raw), pin)
})

test("a certificate with a key other than P-256 has no pin", () => {
  for (const { privateKey } of [
    generateKeyPairSync("ec", { namedCurve: "P-384" }),
    generateKeyPairSync("ec", { namedCurve: "brainpoolP256r1" }),
    generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ]) {
    const certificate = certificateFor(privateKey)
    assert.throws(() => pinOfCertificate(certificate), purserError("ERR_IDENTITY", /P-256/))
    assert.equal(new SpkiCache(1).spkiSha256Of(new X509Certificate(certificate)), undefined)
  }
  assert.throws(
    () => pinOfCertificate(Buffer.from("nonsense")),
    purserError("ERR_IDENTITY", /not a certificate/),
  )
})

test("any 32 bytes make a pin, and only the canonical form is accepted", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.nat({ max: 50 }),
      fc.string({ maxLength: 1 }),
      (bytes, at, c) => {
        const pin = `sha256:${Buffer.from(bytes).toString("base64url")}`
        assert.ok(isPin(pin))
        assert.equal(parsePin(pin), pin)
        const changed = pin.slice(0, at) + c + pin.slice(at + 1)
        const decoded = Buffer.from(changed.slice(7), "base64url")
        const isStill = decoded.length === 32 && `sha256:${decoded.toString("base64url")}` === changed
        assert.equal(isPin(changed), isStill)
      },
    ),
    { numRuns },
  )
})

test("refuses a text that is not a pin", () => {
  const good = createIdentity().pin
  for (const text of [
    "",
    "sha256:",
    good.slice(0, -1),
    `${good}A`,
    good.slice(7),
    ` ${good}`,
    good.replace("sha256", "sha512"),
    `${good.slice(0, -1)}B`,
  ]) {
    assert.throws(() => parsePin(text), purserError("ERR_ENROLMENT"), text)
  }
  assert.equal(isPin(undefined), false)
})

test("compares pins", () => {
  const [a, b] = [createIdentity().pin, createIdentity().pin]
  assert.ok(samePin(a, a.slice() as Pin))
  assert.ok(!samePin(a, b))
})

test("the SPKI cache parses a certificate once, and holds no more than its limit", () => {
  const known = new SpkiCache(2)
  const identities = [createIdentity(), createIdentity(), createIdentity()]
  const certificates = identities.map(({ certificatePem }) => new X509Certificate(certificatePem))
  const first = certificates.map((certificate) => known.spkiSha256Of(certificate))
  assert.deepEqual(
    first,
    identities.map(({ spkiSha256 }) => spkiSha256),
  )
  const again = certificates.map((certificate) => known.spkiSha256Of(certificate))
  assert.deepEqual(again, first)
  // The third evicted the first, which then evicted the second, and so on, so no result is the same object.
  assert.ok(again.every((hash, index) => hash !== first[index]))
  assert.equal(known.spkiSha256Of(certificates[2] as X509Certificate), again[2])
})
