import assert from "node:assert/strict"
import { createPrivateKey, createPublicKey } from "node:crypto"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { eaxOpen, eaxSeal } from "../../../src/channel/fluxvault/eax.ts"
import { sealMessage, unseal } from "../../../src/channel/fluxvault/envelope.ts"
import { answerKey, takeSessionKey } from "../../../src/channel/fluxvault/key-exchange.ts"
import { parseFluxvaultAnswer, parseFluxvaultRequest } from "../../../src/channel/fluxvault/messages.ts"
import { JsonLines } from "../../../src/channel/fluxvault/json-lines.ts"
import { decrypt, encrypt } from "../../support/fluxvault-peer.ts"

/**
 * Three recorded sessions of the original agent and node. They are never recorded again to fit a change of the code.
 */

type Message = Record<string, unknown>

interface Session {
  keys: { rsa_private_pem: string; session_key_ascii: string }
  wire: { from: "node" | "agent"; line: string }[]
  decrypted_after_key_exchange: { from: "node" | "agent"; message: Message }[]
}

const { sessions } = JSON.parse(
  readFileSync(new URL("../../vectors/fluxvault-v1.json", import.meta.url), "utf8"),
) as { sessions: Session[] }

const parse = (line: string): Message => JSON.parse(line) as Message
const hex = (value: unknown): Buffer => Buffer.from(String(value), "hex")

assert.equal(sessions.length, 3)
for (const [index, { keys, wire, decrypted_after_key_exchange: messages }] of sessions.entries()) {
  const privateKey = createPrivateKey(keys.rsa_private_pem)
  const sessionKey = Buffer.from(keys.session_key_ascii)
  const encrypted = wire.slice(2)

  test(`session ${index + 1}: the node decrypts the recorded session key from the agent's message`, () => {
    assert.deepEqual(takeSessionKey(privateKey, parse(wire[1]?.line ?? "")), sessionKey)
  })

  test(`session ${index + 1}: the agent accepts the node's recorded key, and the node's private key decrypts its answer`, () => {
    const { sessionKey: fresh, message } = answerKey(parse(wire[0]?.line ?? ""))
    assert.deepEqual(takeSessionKey(privateKey, message), fresh)
    assert.deepEqual(Object.keys(message).toSorted(), Object.keys(parse(wire[1]?.line ?? "")).toSorted())
  })

  test(`session ${index + 1}: every message opens, and sealing it again under its nonce gives the recorded bytes`, () => {
    assert.equal(encrypted.length, messages.length)
    for (const [at, { line }] of encrypted.entries()) {
      const envelope = parse(line)
      assert.deepEqual(unseal(sessionKey, envelope), messages[at]?.message)
      const [nonce, tag, ciphertext] = [
        hex(envelope["nonce"]),
        hex(envelope["tag"]),
        hex(envelope["ciphertext"]),
      ]
      const text = eaxOpen(sessionKey, nonce, { ciphertext, tag })
      assert.ok(text)
      assert.deepEqual(eaxSeal(sessionKey, nonce, text), { ciphertext, tag })
      assert.deepEqual(decrypt(sessionKey, envelope), messages[at]?.message, "the test's own peer agrees")
    }
  })

  test(`session ${index + 1}: the messages of both ends are parsed`, () => {
    for (const [at, { from, message }] of messages.entries()) {
      if (at < 2) continue
      if (from === "node") {
        const request = parseFluxvaultRequest(message)
        assert.equal(request?.name, message["FILE"])
        assert.equal(request?.crc32, message["crc32"])
      } else {
        const { status, body } = parseFluxvaultAnswer(message, String(message["FILE"]))
        assert.deepEqual([status, body], [message["Status"], message["Body"]])
      }
    }
  })

  test(`session ${index + 1}: its bytes give the same messages, whether joined or one by one`, async () => {
    const bytes = Buffer.from(wire.map(({ line }) => line).join(""))
    for (const size of [1, bytes.length]) {
      const lines = new JsonLines()
      for (let at = 0; at < bytes.length; at += size) lines.write(bytes.subarray(at, at + size))
      lines.end()
      const text = Buffer.concat(await lines.toArray()).toString()
      assert.deepEqual(
        text.trimEnd().split("\n").map(parse),
        wire.map(({ line }) => parse(line)),
      )
    }
  })
}

test("the test's own peer reads messages sealed here, and the reverse", () => {
  const key = Buffer.from("0123456789abcdef0123456789abcdef")
  for (const text of ["", "a", "pässwörd €\n", '\u{1f511}\u0000"\\', "x".repeat(5000)]) {
    const message = { State: "DATA", Body: text }
    assert.deepEqual(decrypt(key, sealMessage(key, message)), message)
    assert.deepEqual(unseal(key, encrypt(key, message)), message)
  }
})

test("messages are written in ASCII, as Python does", () => {
  const key = Buffer.alloc(32, 7)
  const { nonce, tag, ciphertext } = sealMessage(key, { Body: "ä€\u{1f511}" })
  const text = eaxOpen(key, hex(nonce), { ciphertext: hex(ciphertext), tag: hex(tag) })
  assert.equal(text?.toString(), String.raw`{"Body":"\u00e4\u20ac\ud83d\udd11"}`)
})

test("every fault of a message under the session key gives the same error", () => {
  const key = Buffer.alloc(32, 1)
  const good = sealMessage(key, { State: "DONE" })
  const wrong: Message[] = [
    {},
    { ...good, nonce: good.nonce.slice(2) },
    { ...good, tag: good.tag.slice(2) },
    { ...good, tag: "" },
    { ...good, ciphertext: `${good.ciphertext}0` },
    { ...good, ciphertext: `${good.ciphertext.slice(2)}zz` },
    { ...good, ciphertext: 7 },
    { ...good, ciphertext: good.ciphertext.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) },
    { ...good, nonce: "00".repeat(16) },
    sealMessage(Buffer.alloc(32, 2), { State: "DONE" }),
  ]
  for (const message of wrong) {
    assert.throws(() => unseal(key, message), {
      code: "ERR_PROTOCOL",
      message: "a message was damaged or altered on the way",
    })
  }
})

test("every fault of a session key gives the same error", () => {
  const { keys, wire } = sessions[0] ?? assert.fail()
  const privateKey = createPrivateKey(keys.rsa_private_pem)
  const aes = parse(wire[1]?.line ?? "")
  const flipped = (name: string): Message => ({
    ...aes,
    [name]: String(aes[name]).replace(/.$/, (digit) => (digit === "0" ? "1" : "0")),
  })
  const wrong = [
    { ...aes, State: "KEYSENT" },
    ...["enc_session_key", "cipher", "tag", "nonce"].flatMap((name) => [
      flipped(name),
      { ...aes, [name]: "" },
      { ...aes, [name]: undefined },
    ]),
  ]
  for (const message of wrong) {
    assert.throws(() => takeSessionKey(privateKey, message), {
      code: "ERR_PROTOCOL",
      message: "a message was damaged or altered on the way",
    })
  }
})

test("only a public RSA key of 2048 bits is accepted as the node's", () => {
  const { keys, wire } = sessions[0] ?? assert.fail()
  const key = parse(wire[0]?.line ?? "")
  const publicKey = createPublicKey(keys.rsa_private_pem)
  const { n = "" } = publicKey.export({ format: "jwk" })
  const even = Buffer.from(n, "base64url").map((byte, at, all) =>
    at === all.length - 1 ? byte & 0xfe : byte,
  )
  const pem = (modulus: string, exponent: number): string =>
    createPublicKey({
      key: { kty: "RSA", n: modulus, e: Buffer.from([exponent]).toString("base64url") },
      format: "jwk",
    })
      .export({ type: "spki", format: "pem" })
      .toString()
  assert.ok(answerKey({ ...key, PublicKey: pem(n, 3) }))
  const wrong: Message[] = [
    {},
    ...[0, 1, 2, 4].map((exponent) => ({ ...key, PublicKey: pem(n, exponent) })),
    { ...key, PublicKey: pem(Buffer.from(even).toString("base64url"), 3) },
    { ...key, State: "AESKEY" },
    { ...key, PublicKey: 1 },
    { ...key, PublicKey: keys.rsa_private_pem },
    { ...key, PublicKey: publicKey.export({ type: "pkcs1", format: "pem" }) },
    { ...key, PublicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" },
    { ...key, PublicKey: ed25519 },
  ]
  for (const message of wrong)
    assert.throws(() => answerKey(message), {
      code: "ERR_PROTOCOL",
      message: "the server is not a FluxVault node",
    })
})

/** The key of RFC 8410, section 10.1. */
const ed25519 =
  "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"

test("answers to something else, without a known status or without text are refused", () => {
  const answer = { State: "DATA", FILE: "a", Status: "Success", Body: "text" }
  assert.deepEqual(parseFluxvaultAnswer(answer, "a"), { status: "Success", body: "text" })
  for (const wrong of [
    { ...answer, FILE: "b" },
    { ...answer, State: "REQUEST" },
    { ...answer, Status: "Sent" },
    { ...answer, Body: 1 },
    { ...answer, Body: "\ud800" },
    { ...answer, Body: undefined, Status: undefined },
  ]) {
    assert.throws(() => parseFluxvaultAnswer(wrong, "a"), { code: "ERR_PROTOCOL" })
  }
})

test("a request for anything but a named file with a CRC32 is refused", () => {
  const request = { State: "REQUEST", FILE: "a", crc32: 0, fill: "00" }
  assert.deepEqual(parseFluxvaultRequest(request), { name: "a", crc32: 0, fill: "00" })
  assert.equal(parseFluxvaultRequest({ ...request, FILE: "x".repeat(255) })?.name.length, 255)
  for (const wrong of [
    { ...request, State: "CSR" },
    { ...request, FILE: "" },
    { ...request, FILE: "x".repeat(256) },
    { ...request, FILE: ["a"] },
    { ...request, crc32: -1 },
    { ...request, crc32: 2 ** 32 },
    { ...request, crc32: 0.5 },
    { ...request, crc32: "0" },
  ]) {
    assert.throws(() => parseFluxvaultRequest(wrong), { code: "ERR_PROTOCOL" })
  }
})
