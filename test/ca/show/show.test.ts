import assert from "node:assert/strict"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import fc from "fast-check"
import { isPurserError } from "../../../src/base/errors.ts"
import { readCertificates } from "../../../src/ca/pem.ts"
import { formatDescribed } from "../../../src/ca/show/text.ts"
import { describe } from "../../../src/ca/show/show.ts"
import { requireService } from "../../support/services.ts"
import { asking, issued, madeCa, run, signal } from "../state.ts"

const directory = await mkdtemp(join(tmpdir(), "purser-test-show-"))
after(() => rm(directory, { recursive: true }))
const numRuns = process.env["SLOW"] === undefined ? 300 : 20_000
const at = (name: string): string => join(directory, name)
const openssl = async (...args: string[]): Promise<string> =>
  (await run("openssl", args, { cwd: directory })).stdout
const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

/** By the real openssl, with all that somebody looks for. */
async function sample(): Promise<Buffer> {
  const extensions = [
    "subjectAltName=DNS:a.lan,IP:192.0.2.7,IP:2001:db8::7,email:a@b.lan,URI:http://a",
    "keyUsage=critical,keyCertSign,cRLSign",
    "extendedKeyUsage=serverAuth,1.2.3.4",
    "nameConstraints=critical,permitted;DNS:.lan,permitted;IP:10.0.0.0/255.0.0.0,excluded;email:x@y.lan",
    "crlDistributionPoints=URI:http://crl.lan/a.crl",
  ].flatMap((one) => ["-addext", one])
  const subject = String.raw`/C=DE/O=Shop, \+ Sons/CN=root`
  await openssl("req", "-x509", ...ec, "-keyout", "k", "-out", "a.crt", "-subj", subject, ...extensions)
  return await readFile(at("a.crt"))
}

async function refused(bytes: Buffer): Promise<void> {
  await assert.rejects(describe(bytes), { code: "ERR_CERTIFICATE" })
  await assert.rejects(readCertificates(bytes), { code: "ERR_CERTIFICATE" })
}

test("a certificate is told in full, the same from PEM, DER and PKCS#7", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const pem = await sample()
  const { items } = await describe(pem)
  const [item] = items
  assert.ok(item?.type === "certificate")
  assert.equal(item.subject, String.raw`C=DE, O=Shop\, \+ Sons, CN=root`)
  assert.deepEqual(item.names, [
    "dns:a.lan",
    "ip:192.0.2.7",
    "ip:2001:db8::7",
    "email:a@b.lan",
    "uri:http://a",
  ])
  assert.deepEqual(item.keyUsage, ["keyCertSign", "cRLSign"])
  assert.deepEqual(item.extendedKeyUsage, ["serverAuth", "1.2.3.4"])
  assert.deepEqual(item.nameConstraints, {
    permitted: ["dns:.lan", "ip:10.0.0.0/8"],
    excluded: ["email:x@y.lan"],
  })
  assert.deepEqual(item.crlUrls, ["http://crl.lan/a.crl"])
  assert.deepEqual([item.ca, item.selfSigned, item.keyType], [true, true, "p256"])
  assert.equal(item.subjectKeyId, item.authorityKeyId)
  const fingerprint = await openssl("x509", "-in", "a.crt", "-noout", "-fingerprint", "-sha256")
  assert.equal(fingerprint.replaceAll(":", "").trim().split("=")[1]?.toLowerCase(), item.sha256)
  const serial = (await openssl("x509", "-in", "a.crt", "-noout", "-serial")).trim().split("=")[1]
  assert.equal(serial?.toLowerCase(), item.serial)
  await openssl("x509", "-in", "a.crt", "-outform", "DER", "-out", "a.der")
  await openssl("crl2pkcs7", "-nocrl", "-certfile", "a.crt", "-out", "a.p7b")
  await openssl("crl2pkcs7", "-nocrl", "-certfile", "a.crt", "-outform", "DER", "-out", "a.p7c")
  for (const file of ["a.der", "a.p7b", "a.p7c"])
    assert.deepEqual((await describe(await readFile(at(file)))).items, items, file)
})

test("a request says what it asks for, allowed or not, and whether its signature holds", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const extensions = ["-addext", "subjectAltName=DNS:a.lan", "-addext", "basicConstraints=CA:true"]
  await openssl("req", "-new", ...ec, "-keyout", "k", "-out", "r", "-subj", "/CN=a", ...extensions)
  await openssl("req", "-in", "r", "-outform", "DER", "-out", "r.der")
  const der = await readFile(at("r.der"))
  const [item] = (await describe(der)).items
  assert.ok(item?.type === "request")
  assert.deepEqual(
    [item.subject, item.names, item.ca, item.signature],
    ["CN=a", ["dns:a.lan"], true, "holds"],
  )
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
  const [forged] = (await describe(der)).items
  assert.ok(forged?.type === "request")
  assert.equal(forged.signature, "does not hold")
})

test("a revocation list has its number, dates and entries", async (t) => {
  const { ca } = await madeCa(t)
  const { serial } = await issued(ca, "www")
  await ca.revoke("www", "keyCompromise", signal)
  const [item] = (await describe(await ca.crl(signal))).items
  assert.ok(item?.type === "crl")
  assert.deepEqual(
    item.entries.map((one) => [one.serial, one.reason]),
    [[serial, "keyCompromise"]],
  )
  assert.match(item.number ?? "", /^\d{10}$/)
  assert.ok(item.nextUpdate !== null && item.nextUpdate > item.thisUpdate)
  assert.match(formatDescribed({ items: [item] }), new RegExp(`revoked +${serial} .* keyCompromise\n`))
})

test("of a private key only its kind and its pin are told, and none of it when it is encrypted", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca } = await madeCa(t)
  const record = await issued(ca, "www", asking("a.lan", { key: "ed25519" }))
  const key = (await ca.keyOf(record))?.revealText() ?? ""
  const [one, two] = (await describe(Buffer.from(`text\r\n${key}\r\n${record.certificate}`))).items
  assert.ok(one?.type === "key" && two?.type === "certificate")
  assert.deepEqual(one, { type: "key", private: true, encrypted: false, keyType: "ed25519", pin: two.pin })
  const secret = key.split("\n")[1] ?? ""
  assert.ok(!formatDescribed({ items: [one] }).includes(secret.slice(0, 20)))
  await openssl("genrsa", "-traditional", "-aes128", "-passout", "pass:test", "-out", "old", "2048")
  await openssl("genpkey", "-algorithm", "ED25519", "-aes128", "-pass", "pass:test", "-out", "new")
  for (const file of ["old", "new"]) {
    const { items } = await describe(await readFile(at(file)))
    assert.deepEqual(items, [{ type: "key", private: true, encrypted: true, keyType: null, pin: null }], file)
  }
})

test("what strangers wrote cannot move the cursor", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const config = "[req]\nprompt=no\nutf8=yes\ndistinguished_name=dn\n[dn]\nCN=evil\u001b[31m\u202e\n"
  await writeFile(at("cnf"), config)
  await openssl("req", "-x509", "-config", "cnf", ...ec, "-keyout", "k", "-out", "e.crt")
  const text = formatDescribed(await describe(await readFile(at("e.crt"))))
  assert.match(text, /subject +CN=evil\\x1b\[31m\\u202e\n/)
})

test("lengths that are claimed, endless nesting and blocks without an end are refused at once", async () => {
  const started = performance.now()
  await refused(Buffer.alloc(0))
  await refused(Buffer.alloc(1024 * 1024 + 1, 0x30))
  await refused(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30]))
  await refused(Buffer.alloc(1024 * 1024, Buffer.from([0x30, 0x80])))
  await refused(Buffer.from("-----BEGIN CERTIFICATE-----\n".repeat(37_000)))
  await refused(
    Buffer.from(`-----BEGIN CERTIFICATE-----\n${":".repeat(1_000_000)}\n-----END CERTIFICATE-----`),
  )
  let bomb = Buffer.from([5, 0])
  for (let depth = 0; depth < 5000; depth++) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bomb.length)
    bomb = Buffer.concat([Uint8Array.of(0x30, 0x84), length, bomb])
  }
  await refused(bomb)
  assert.ok(performance.now() - started < 10_000)
})

test("whatever comes, it is told or ends in our own error", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  await sample()
  await openssl("x509", "-in", "a.crt", "-outform", "DER", "-out", "a.der")
  await openssl("crl2pkcs7", "-nocrl", "-certfile", "a.crt", "-outform", "DER", "-out", "a.p7c")
  const good = await Promise.all(["a.der", "a.p7c", "a.crt"].map((name) => readFile(at(name))))
  const survives = async (input: Buffer): Promise<void> => {
    for (const read of [describe, readCertificates]) {
      const error = await read(input).then(
        () => null,
        (thrown: unknown) => thrown,
      )
      assert.ok(error === null || isPurserError(error, "ERR_CERTIFICATE"), String(error))
      if (isPurserError(error)) assert.equal(error.cause, undefined)
    }
  }
  for (const bytes of good) {
    for (let index = 0; index < bytes.length; index++) {
      const flipped = Buffer.from(bytes)
      flipped[index] = (flipped[index] ?? 0) ^ (index % 2 === 0 ? 0x01 : 0x80)
      await survives(flipped)
    }
  }
  const any = fc.constantFrom(...good)
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 500 }).map((some) => Buffer.from(some)),
    fc.tuple(any, fc.nat(2000)).map(([bytes, length]) => bytes.subarray(0, length)),
    fc
      .tuple(any, fc.nat(2000), fc.uint8Array({ maxLength: 40 }))
      .map(([bytes, place, some]) => Buffer.concat([bytes.subarray(0, place), some, bytes.subarray(place)])),
    fc.string().map((text) => Buffer.from(`-----BEGIN PKCS7-----\n${text}\n-----END PKCS7-----`)),
  )
  await fc.assert(fc.asyncProperty(input, survives), { numRuns })
})
