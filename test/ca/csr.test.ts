import { signatureAlgorithm } from "../../src/x509/key-families.ts"
import { ecdsaSha256 } from "../../src/x509/ecdsa-sha256.ts"
import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync, sign } from "node:crypto"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import fc from "fast-check"
import { certificateRequest } from "../../src/x509/csr.ts"
import * as der from "../../src/x509/der.ts"
import { isPurserError, type PurserError } from "../../src/base/errors.ts"
import { readRequest, writeRequest, type ReadRequest } from "../../src/ca/csr.ts"
import { requireService } from "../support/services.ts"
import { asking, run } from "./state.ts"

const directory = await mkdtemp(join(tmpdir(), "purser-test-csr-"))
after(() => rm(directory, { recursive: true }))
const numRuns = process.env["SLOW"] === undefined ? 300 : 20_000

const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
const names = { dns: ["shop.lan"], ip: ["192.0.2.7", "::1"], email: ["ops@shop.lan"] }
const good = derOf(certificateRequest(p256, signatureAlgorithm(p256), names, "shop.lan"))

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ""), "base64")
}

/** By the real openssl. */
async function made(key: readonly string[], ...more: readonly string[]): Promise<Buffer> {
  const file = join(directory, "csr")
  const fixed = ["-nodes", "-keyout", "/dev/null", "-out", file, "-subj", "/CN=shop.lan"]
  await run("openssl", ["req", "-new", "-newkey", ...key, ...fixed, ...more])
  return await readFile(file)
}

const ec = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

async function refused(bytes: Buffer, why: RegExp): Promise<void> {
  await assert.rejects(readRequest(bytes), (error: unknown) => {
    assert.ok(isPurserError(error, "ERR_CERTIFICATE"), String(error))
    assert.match(error.message, why)
    assert.equal(error.cause, undefined, "a library's reason could repeat what was in it")
    return true
  })
}

test("what openssl writes is read, of every kind of key, as PEM and as DER", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  for (const [type, key] of [
    ["p256", ec],
    ["p384", ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["ed25519", ["ed25519"]],
    ["rsa2048", ["rsa:2048"]],
  ] as const) {
    const san = "subjectAltName=DNS:shop.lan,DNS:*.shop.lan,IP:192.0.2.7,IP:2001:db8::7,email:ops@shop.lan"
    const pem = await made(key, "-addext", san)
    const read = await readRequest(pem)
    assert.equal(read.keyType, type)
    assert.equal(read.subject, "shop.lan")
    assert.deepEqual(read.dns, ["shop.lan", "*.shop.lan"])
    assert.deepEqual(read.ip, ["192.0.2.7", "2001:db8::7"])
    assert.deepEqual(read.email, ["ops@shop.lan"])
    const der = await readRequest(derOf(pem.toString()))
    assert.deepEqual({ ...der, publicKey: null }, { ...read, publicKey: null })
    assert.ok(der.publicKey.equals(read.publicKey))
  }
})

test("a request without extensions has no names, and with a subject of many parts has its common name", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const read = await readRequest(await made(ec, "-subj", "/C=DE/O=Shop/CN=www/OU=x"))
  assert.deepEqual([read.dns, read.ip, read.email, read.subject], [[], [], [], "www"])
})

test("extensions are told, not taken; names of other kinds too", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const more = [
    "-addext",
    "subjectAltName=DNS:a.lan,URI:http://a,RID:1.2.3",
    "-addext",
    "extendedKeyUsage=codeSigning",
  ]
  const read = await readRequest(await made(ec, ...more))
  assert.deepEqual(read.otherExtensions, ["2.5.29.37"])
  assert.deepEqual(read.otherNames, ["URI", "registeredID"])
})

test("ours is read again as it was asked for", async () => {
  const read = await readRequest(
    Buffer.from(writeRequest(p256, asking(["shop.lan", "*.lan"], { ip: ["::1"] }))),
  )
  assert.deepEqual([read.subject, read.dns, read.ip], ["shop.lan", ["shop.lan", "*.lan"], ["::1"]])
})

test("a request to become a CA is refused, however it is put", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  await refused(await made(ec, "-addext", "basicConstraints=critical,CA:true"), /CA certificate/)
  await refused(await made(ec, "-addext", "keyUsage=digitalSignature,keyCertSign"), /CA certificate/)
  const read = await readRequest(await made(ec, "-addext", "basicConstraints=CA:false"))
  assert.equal(read.subject, "shop.lan", "to say that one is none is no wish to be one")
})

test("weak keys and signatures are refused, and what signs nothing", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  await refused(await made(["rsa:1024"]), /RSA key has 1024 bits/)
  await refused(await made(["rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"]), /weak exponent/)
  await refused(
    await made(["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"]),
    /key is of an unsupported kind/,
  )
  await refused(await made(["rsa:2048"], "-sha1"), /signature algorithm is weak/)
  await refused(await made(["rsa:2048"], "-md5"), /signature algorithm is weak/)
})

/** Signed by its key, whatever else is wrong. */
function signed(...rest: readonly Buffer[]): Buffer {
  const spki = createPublicKey(p256).export({ type: "spki", format: "der" })
  const info = der.sequence(der.integer(0), der.sequence(), spki, ...rest)
  const algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
  return der.sequence(info, algorithm, der.bitString(sign("sha256", info, p256)))
}

function attributes(...extensions: readonly Buffer[]): Buffer {
  const list = der.set(der.sequence(...extensions))
  return der.contextTag(0, der.sequence(der.oid("1.2.840.113549.1.9.14"), list))
}

const extension = (id: string, value: Buffer): Buffer => der.sequence(der.oid(id), der.octetString(value))
/** As BER allows it. */
const indefinite = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Uint8Array.of(tag, 0x80), content, Buffer.alloc(2)])
const shopLan = der.contextPrimitive(2, Buffer.from("shop.lan"))
const [altName, usage] = ["2.5.29.17", "2.5.29.15"]

test("what is signed, but not DER throughout, is refused: two programs could read it in two ways", async () => {
  const san = extension(altName, der.sequence(shopLan))
  assert.deepEqual((await readRequest(signed(attributes(san)))).dns, ["shop.lan"])
  const extensionRequest = der.oid("1.2.840.113549.1.9.14")
  const cases: [what: string, rest: Buffer[]][] = [
    [
      "attributes of no length",
      [indefinite(0xa0, der.sequence(extensionRequest, der.set(der.sequence(san))))],
    ],
    [
      "extensions of no length",
      [der.contextTag(0, der.sequence(extensionRequest, der.set(indefinite(0x30, san))))],
    ],
    ["names of no length", [attributes(extension(altName, indefinite(0x30, shopLan)))]],
    ["a length in more bytes", [attributes(extension(altName, Buffer.from([0x30, 0x81, 2, 0x82, 0])))]],
    [
      "more behind the names",
      [attributes(extension(altName, Buffer.concat([der.sequence(shopLan), der.nothing()])))],
    ],
    ["more behind the attributes", [attributes(san), der.nothing()]],
    ["attributes twice", [attributes(san), attributes(san)]],
    ["no attributes, but something else", [der.nothing()]],
    ["keyCertSign behind a long length", [attributes(extension(usage, Buffer.from([3, 0x81, 2, 1, 6])))]],
    ["keyCertSign in pieces", [attributes(extension(usage, Buffer.from([0x23, 4, 3, 2, 1, 6])))]],
    ["usages that are none", [attributes(extension(usage, der.octetString(Buffer.from([1, 6]))))]],
  ]
  for (const [what, rest] of cases) {
    await assert.rejects(
      readRequest(signed(...rest)),
      { code: "ERR_CERTIFICATE", message: /cannot be read/ },
      what,
    )
  }
})

test("an endless nesting ends, also where the signature holds", async () => {
  let bomb = der.nothing()
  while (bomb.length < 60_000) bomb = der.sequence(bomb)
  const around = (value: Buffer): Buffer => der.contextTag(0, der.sequence(der.oid("1.2.3"), der.set(value)))
  await refused(signed(around(bomb)), /cannot be read/)
  await refused(signed(around(Buffer.alloc(60_000, Buffer.from([0x30, 0x80])))), /cannot be read/)
})

test("a key that writes its curve out is refused, as openssl would refuse its certificate", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  await refused(await made([...ec, "-pkeyopt", "ec_param_enc:explicit"]), /gives its curve by parameters/)
})

test("an RSA key that is too large is refused for that, before anything is computed with it", async () => {
  const [rsa, sha256WithRsa] = ["1.2.840.113549.1.1.1", "1.2.840.113549.1.1.11"]
  const algorithm = (id: string): Buffer => der.sequence(der.oid(id), der.nothing())
  const key = der.sequence(der.integer(Buffer.alloc(1152, 0xff)), der.integer(65_537))
  const spki = der.sequence(algorithm(rsa), der.bitString(key))
  const info = der.sequence(der.integer(0), der.sequence(), spki, der.contextTag(0))
  const request = der.sequence(info, algorithm(sha256WithRsa), der.bitString(Buffer.alloc(1152, 1)))
  await refused(request, /RSA key has 9216 bits/)
})

test("a signature by another key is refused", async () => {
  const other = derOf(
    certificateRequest(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, ecdsaSha256, names),
  )
  const mixed = Buffer.concat([good.subarray(0, good.length - 72), other.subarray(other.length - 72)])
  await assert.rejects(readRequest(mixed), { code: "ERR_CERTIFICATE" })
  // The same curve's other name for the algorithm.
  const forged = Buffer.from(good)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  await refused(forged, /signature is invalid/)
})

test("more than one request, more than one element, and too much are refused", async () => {
  const pem = certificateRequest(p256, signatureAlgorithm(p256), names)
  await refused(Buffer.from(pem + pem), /more than one request/)
  await refused(Buffer.concat([good, Buffer.from([5, 0])]), /cannot be read/)
  await refused(Buffer.alloc(70_000, 0x30), /more than 65536 bytes/)
  await refused(
    Buffer.from("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    /cannot be read/,
  )
  await refused(Buffer.alloc(0), /cannot be read/)
})

test("an endless nesting ends", async () => {
  // Each a SEQUENCE around the rest, with lengths that hold.
  let bomb = Buffer.from([5, 0])
  for (let depth = 0; depth < 8000; depth++) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bomb.length)
    bomb = Buffer.concat([Uint8Array.of(0x30, 0x84), length, bomb])
    if (bomb.length > 60_000) break
  }
  await refused(bomb, /cannot be read/)
  await refused(Buffer.alloc(60_000, Buffer.from([0x30, 0x80])), /cannot be read/)
  const inside = Buffer.concat([Uint8Array.of(0x30, 0x82, bomb.length >> 8, bomb.length & 0xff), bomb])
  await refused(inside, /cannot be read/)
})

test("no flipped bit gets through: it is refused, or it changed nothing that is signed", async () => {
  const asked = await readRequest(good)
  const plain = (read: ReadRequest) => ({
    ...read,
    publicKey: read.publicKey.export({ type: "spki", format: "pem" }),
  })
  for (let index = 0; index < good.length; index++) {
    for (const bit of [0x01, 0x20, 0x80]) {
      const flipped = Buffer.from(good)
      flipped[index] = (flipped[index] ?? 0) ^ bit
      const read = await readRequest(flipped).catch((error: PurserError) => error)
      if (read instanceof Error) assert.ok(isPurserError(read, "ERR_CERTIFICATE"), `${index} ${bit}: ${read}`)
      else assert.deepEqual(plain(read), plain(asked), `byte ${index}`)
    }
  }
})

test("whatever comes, it ends in our own error", async () => {
  const cut = fc.integer({ min: 0, max: good.length - 1 }).map((length) => good.subarray(0, length))
  const spliced = fc
    .tuple(fc.nat(good.length), fc.uint8Array({ maxLength: 40 }))
    .map(([at, bytes]) => Buffer.concat([good.subarray(0, at), bytes, good.subarray(at)]))
  const armored = fc
    .string()
    .map((text) =>
      Buffer.from(`-----BEGIN CERTIFICATE REQUEST-----\n${text}\n-----END CERTIFICATE REQUEST-----`),
    )
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 500 }).map((some) => Buffer.from(some)),
    cut,
    spliced,
    armored,
  )
  await fc.assert(
    fc.asyncProperty(bytes, async (input) => {
      const error = await readRequest(input).then(
        () => null,
        (thrown: unknown) => thrown,
      )
      assert.ok(error === null ? input.equals(good) : isPurserError(error, "ERR_CERTIFICATE"), String(error))
    }),
    { numRuns },
  )
})
