import assert from "node:assert/strict"
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { PassThrough } from "node:stream"
import { test } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { digestOf } from "../../src/base/digest.ts"
import { readBody, writeBody } from "../../src/channel/body.ts"
import { formatEnrolment, parseEnrolment } from "../../src/channel/enrolment.ts"
import { FrameWriter } from "../../src/channel/frame-writer.ts"
import { FrameReader } from "../../src/channel/frames.ts"
import { SpkiCache } from "../../src/channel/spki-cache.ts"
import { resolveLimits } from "../../src/channel/limits.ts"
import {
  parseAnswer,
  parseFromNode,
  parseHello,
  parseListing,
  parseReply,
  type Answer,
} from "../../src/channel/messages.ts"
import { pinOfCertificate, pinOfSpki, type Pin } from "../../src/channel/pin.ts"
import { proofKey, proofOf, verifyProof, type ProofInput } from "../../src/channel/proof.ts"
import { purserError } from "./support.ts"

/**
 * test/vectors/purser-1.json is the contract with implementations in other
 * languages. It is never generated again to fit a change of the code.
 */

interface ProofVector {
  token: string
  exporter: string
  node_spki_sha256: string
  agent_spki_sha256: string
  app: string
}

interface Vectors {
  pins: { certificate: string; spki: string; spki_sha256: string; pin: Pin }[]
  proofs: (ProofVector & { key: string; proof: string })[]
  enrolment: {
    valid: { text: string; app: string; agent_pins: Pin[]; token: string | null }[]
    invalid: { text: string; why: string }[]
  }
  frames: {
    accepted: { line: string; frame: unknown }[]
    refused: { line: string; code: string; why: string }[]
  }
  bodies: { id: number; body: string; chunk_bytes: number; digest: string; frames: string[] }[]
  transcript: ProofVector & {
    bodies: Record<string, string>
    frames: { from: "node" | "agent"; line: string }[]
  }
}

const vectors = JSON.parse(
  readFileSync(new URL("../vectors/purser-1.json", import.meta.url), "utf8"),
) as Vectors
const limits = resolveLimits()
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")
const proofInput = (vector: ProofVector): ProofInput => ({
  token: bytes(vector.token),
  exporter: bytes(vector.exporter),
  nodeSpkiSha256: bytes(vector.node_spki_sha256),
  agentSpkiSha256: bytes(vector.agent_spki_sha256),
  app: vector.app,
})

function readerOf(lines: readonly (string | Buffer)[]): FrameReader {
  const stream = new PassThrough()
  for (const line of lines) stream.write(line)
  stream.end()
  return new FrameReader(stream, limits)
}

/** Returns the lines that `write` writes. */
async function linesOf(write: (writer: FrameWriter) => Promise<void>): Promise<string[]> {
  const stream = new PassThrough()
  await write(new FrameWriter(stream, limits))
  stream.end()
  return (await stream.toArray()).join("").split("\n").slice(0, -1)
}

test("pins match the vectors", () => {
  for (const { certificate, spki, spki_sha256, pin } of vectors.pins) {
    assert.equal(pinOfSpki(bytes(spki)), pin)
    assert.equal(pinOfCertificate(bytes(certificate)), pin)
    const hash = new SpkiCache(1).spkiSha256Of(new X509Certificate(bytes(certificate)))
    assert.equal(hash?.toString("hex"), spki_sha256)
  }
})

test("keys and proofs match the vectors", () => {
  for (const vector of vectors.proofs) {
    const input = proofInput(vector)
    assert.equal(proofKey(input.token).toString("hex"), vector.key)
    assert.equal(proofOf(input).toString("base64url"), vector.proof)
    assert.ok(verifyProof(vector.proof, input))
  }
})

test("enrolment strings match the vectors", () => {
  for (const { text, app, agent_pins: agentPins, token } of vectors.enrolment.valid) {
    const enrolment = { app, agentPins, ...(token === null ? {} : { token: bytes(token) }) }
    assert.deepEqual({ ...parseEnrolment(text) }, enrolment)
    assert.equal(formatEnrolment(enrolment), text)
  }
  for (const { text, why } of vectors.enrolment.invalid) {
    assert.throws(() => parseEnrolment(text), purserError("ERR_ENROLMENT"), why)
  }
})

test("frames match the vectors", async () => {
  for (const { line, frame } of vectors.frames.accepted) {
    assert.deepEqual(await readerOf([bytes(line)]).next(), frame)
  }
  for (const { line, code, why } of vectors.frames.refused) {
    await assert.rejects(readerOf([bytes(line)]).next(), purserError(code), why)
  }
})

test("bodies match the vectors", async () => {
  for (const { id, body, chunk_bytes: chunkBytes, digest, frames } of vectors.bodies) {
    assert.equal(digestOf(bytes(body)), digest)
    const written = await linesOf((writer) => writeBody(writer, id, new Secret(bytes(body)), { chunkBytes }))
    assert.deepEqual(written, frames)
    const reader = readerOf(frames.map((line) => `${line}\n`))
    const answer = parseAnswer(await reader.next())
    assert.ok(answer.status === "sent")
    assert.equal((await readBody(reader, answer, limits)).reveal().toString("hex"), body)
  }
})

test("a whole session, from hello to done, matches the vectors", async () => {
  const { frames, bodies } = vectors.transcript
  const from = (end: "node" | "agent"): FrameReader =>
    readerOf(frames.filter((frame) => frame.from === end).map(({ line }) => `${line}\n`))
  const [node, agent] = [from("node"), from("agent")]

  const hello = parseHello(await node.next())
  assert.ok(verifyProof(hello.proof, proofInput(vectors.transcript)))
  assert.equal(parseReply(await agent.next()).type, "welcome")
  const answers: [string, Answer["status"]][] = []
  for (;;) {
    const message = parseFromNode(await node.next())
    if (message.type === "done") {
      assert.deepEqual(message, { type: "done", status: "ok", written: 1, unchanged: 1, missing: 1 })
      break
    }
    const answer = parseAnswer(await agent.next())
    assert.equal(answer.id, message.id, "answers come in the order of the requests")
    answers.push([message.name ?? message.action, answer.status])
    if (answer.status !== "sent") continue
    const body = await readBody(agent, answer, limits)
    assert.equal(body.reveal().toString("hex"), bodies[answer.id])
    if (message.action === "list") {
      assert.deepEqual(parseListing(body.revealText()), {
        secrets: [{ name: "db-password" }, { name: "tls/tls.key", size: 241 }],
        actions: ["certificate"],
      })
    }
  }
  assert.deepEqual(answers, [
    ["list", "sent"],
    ["db-password", "sent"],
    ["tls/tls.key", "match"],
    ["../../etc/shadow", "denied"],
    ["certificate", "sent"],
    ["gone", "missing"],
    ["certificate", "failed"],
  ])
  for (const end of [node, agent])
    await assert.rejects(end.next(), purserError("ERR_UNREACHABLE"), "nothing is left over")
})
