import assert from "node:assert/strict"
import {
  constants,
  createCipheriv,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from "node:crypto"
import { once } from "node:events"
import { connect, createServer, type AddressInfo, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { crc32 } from "node:zlib"

/**
 * FluxVault's agent and node as its users have them, written from the description
 * of the wire and from nothing of ours: with its blocking reads, and without a
 * thought for anything that the original does not do either.
 */

type Message = Record<string, unknown>

const rsa = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" }
const segmentBytes = 8192
/** The checksum of text that is there; 0 stands for none. */
const checksum = (text: string | undefined): number => (text === undefined ? 0 : crc32(Buffer.from(text)))

// EAX once more, block by block, so that an error in ours is not repeated here.

function block(key: Buffer, input: Buffer): Buffer {
  return createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
    .setAutoPadding(false)
    .update(input)
}

function number(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex")}`)
}

function bytesOf(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(32, "0"), "hex")
}

function timesX(value: bigint): bigint {
  const shifted = value << 1n
  return shifted >> 128n ? (shifted & ((1n << 128n) - 1n)) ^ 0x87n : shifted
}

function omac(key: Buffer, tweak: number, data: Buffer): Buffer {
  const text = Buffer.concat([bytesOf(BigInt(tweak)), data])
  const one = timesX(number(block(key, Buffer.alloc(16))))
  let state = 0n
  let at = 0
  for (; at + 16 < text.length; at += 16) {
    state = number(block(key, bytesOf(state ^ number(text.subarray(at, at + 16)))))
  }
  const rest = text.subarray(at)
  const last = rest.length === 16 ? number(rest) ^ one : number(padded(rest)) ^ timesX(one)
  return block(key, bytesOf(state ^ last))
}

function padded(rest: Buffer): Buffer {
  return Buffer.concat([rest, Buffer.from([0x80]), Buffer.alloc(16)]).subarray(0, 16)
}

function counter(key: Buffer, start: Buffer, text: Buffer): Buffer {
  const out = Buffer.from(text)
  let count = number(start)
  for (let at = 0; at < out.length; at += 16) {
    const stream = block(key, bytesOf(count))
    for (let i = 0; i < 16 && at + i < out.length; i++) out[at + i] = (out[at + i] ?? 0) ^ (stream[i] ?? 0)
    count = (count + 1n) & ((1n << 128n) - 1n)
  }
  return out
}

function tag(key: Buffer, nonce: Buffer, ciphertext: Buffer): Buffer {
  const parts = [omac(key, 0, nonce), omac(key, 1, Buffer.alloc(0)), omac(key, 2, ciphertext)]
  return bytesOf(parts.map(number).reduce((a, b) => a ^ b))
}

export function encrypt(key: Buffer, message: Message): Message {
  const [nonce, text] = [randomBytes(16), Buffer.from(JSON.stringify(message))]
  const ciphertext = counter(key, omac(key, 0, nonce), text)
  return {
    nonce: nonce.toString("hex"),
    tag: tag(key, nonce, ciphertext).toString("hex"),
    ciphertext: ciphertext.toString("hex"),
  }
}

export function decrypt(key: Buffer, envelope: Message): Message {
  assert.deepEqual(Object.keys(envelope).toSorted(), ["ciphertext", "nonce", "tag"])
  const [nonce, ciphertext] = [hex(envelope["nonce"]), hex(envelope["ciphertext"])]
  assert.equal(nonce.length, 16)
  assert.equal(tag(key, nonce, ciphertext).toString("hex"), envelope["tag"])
  return JSON.parse(counter(key, omac(key, 0, nonce), ciphertext).toString()) as Message
}

function hex(value: unknown): Buffer {
  assert.match(String(value), /^([0-9a-f]{2})*$/)
  return Buffer.from(String(value), "hex")
}

const fill = (): string => randomBytes(16).toString("hex")

/** Reads as Python's sockets do: what is there now, or a line. */
export class Wire {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on("error", () => {})
    socket.on("data", (part: Buffer) => {
      this.#received = Buffer.concat([this.#received, part])
      this.#wake()
    })
    socket.on("close", () => {
      this.#ended = true
      this.#wake()
    })
  }

  /** `recv(8192)`: what one segment brought, and that has to be a whole message. Undefined at the end. */
  async recv(): Promise<Message | undefined> {
    if (!(await this.#until(() => this.#received.length > 0))) return undefined
    const segment = this.#received.subarray(0, segmentBytes)
    this.#received = this.#received.subarray(segment.length)
    return JSON.parse(segment.toString()) as Message
  }

  /** `readline()`. Undefined at the end. */
  async readline(): Promise<Message | undefined> {
    if (!(await this.#until(() => this.#received.includes(0x0a)))) return undefined
    const end = this.#received.indexOf(0x0a)
    const line = this.#received.subarray(0, end)
    this.#received = this.#received.subarray(end + 1)
    return JSON.parse(line.toString()) as Message
  }

  send(message: Message, ending = ""): void {
    this.socket.write(JSON.stringify(message) + ending)
  }

  /** Whether it came to hold before the end. */
  async #until(holds: () => boolean): Promise<boolean> {
    while (!holds()) {
      if (this.#ended) return false
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    return true
  }
}

export interface OriginalNode {
  readonly address: string
  readonly port: number
  /** What it has; grows and changes as it is served. */
  readonly files: Map<string, string>
  /** What the agent said to each request of the last session. */
  readonly answers: Message[]
  /** Resolves with whether the session that ends next came to its DONE, and the agent closed then. */
  nextSession(): Promise<boolean>
}

export interface OriginalNodeOptions {
  files?: Record<string, string>
  /** How it writes a message; by default in one piece. */
  send?: (socket: Socket, text: string) => void
}

/** A node that asks whoever connects for these files. */
export async function originalNode(
  t: TestContext,
  requests: readonly string[],
  { files = {}, send }: OriginalNodeOptions = {},
): Promise<OriginalNode> {
  const has = new Map(Object.entries(files))
  const answers: Message[] = []
  const node = await scriptedNode(
    t,
    async (session) => {
      answers.splice(0)
      for (const name of requests) {
        const before = has.get(name)
        session.send({ State: "REQUEST", FILE: name, crc32: checksum(before), fill: fill() })
        const answer = await session.readline()
        answers.push(answer)
        assert.deepEqual([answer["State"], answer["FILE"]], ["DATA", name])
        if (answer["Status"] === "Success") has.set(name, String(answer["Body"]))
      }
      session.send({ State: "DONE", fill: fill() })
      assert.equal(await session.wire.readline(), undefined)
    },
    send,
  )
  return { ...node, files: has, answers }
}

export interface NodeSession {
  readonly wire: Wire
  readonly sessionKey: Buffer
  /** Encrypted, without a newline. */
  readonly send: (message: Message) => void
  readonly readline: () => Promise<Message>
}

/** A node that says under the session key what the test wants. */
export async function scriptedNode(
  t: TestContext,
  converse: (session: NodeSession) => Promise<void>,
  send: (socket: Socket, text: string) => void = (socket, text) => void socket.write(text),
): Promise<Omit<OriginalNode, "files" | "answers">> {
  let ended = Promise.withResolvers<boolean>()
  const sockets = new Set<Socket>()
  const serve = async (socket: Socket): Promise<void> => {
    let isDone = true
    try {
      await converse(await exchangeAsNode(new Wire(socket), send))
    } catch {
      isDone = false
    }
    socket.destroy()
    ended.resolve(isDone)
    ended = Promise.withResolvers()
  }
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    void serve(socket)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { address: `127.0.0.1:${port}`, port, nextSession: () => ended.promise }
}

async function exchangeAsNode(
  wire: Wire,
  write: (socket: Socket, text: string) => void,
): Promise<NodeSession> {
  const put = (message: Message, ending = ""): void => write(wire.socket, JSON.stringify(message) + ending)
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  put({ State: "KEYSENT", PublicKey: publicKey.export({ type: "spki", format: "pem" }) }, "\n")
  const aes = await wire.readline()
  assert.equal(aes?.["State"], "AESKEY")
  const wrapping = privateDecrypt({ key: privateKey, ...rsa }, hex(aes["enc_session_key"]))
  assert.equal(wrapping.length, 16)
  const [nonce, cipher] = [hex(aes["nonce"]), hex(aes["cipher"])]
  assert.equal(tag(wrapping, nonce, cipher).toString("hex"), aes["tag"])
  const sessionKey = counter(wrapping, omac(wrapping, 0, nonce), cipher)
  assert.match(sessionKey.toString(), /^[0-9a-f]{32}$/)
  put(encrypt(sessionKey, { State: "STARTAES", Text: "Test", fill: fill() }), "\n")
  const readline = async (): Promise<Message> => decrypt(sessionKey, (await wire.readline()) ?? {})
  const passed = await readline()
  assert.deepEqual([passed["State"], passed["Text"]], ["STARTAES", "Passed"])
  return { wire, sessionKey, readline, send: (message) => put(encrypt(sessionKey, message)) }
}

/** An agent that has these files and serves one node. Resolves with what it was asked, when the node says DONE; undefined when it never does. */
export async function originalAgent(
  port: number,
  files: Readonly<Record<string, string>>,
): Promise<Message[] | undefined> {
  const session = await joinAsAgent(port)
  if (session === undefined) return undefined
  const { wire, recv, send } = session
  try {
    const asked: Message[] = []
    for (;;) {
      const request = await recv()
      if (request === undefined) return undefined
      if (request["State"] === "DONE") return asked
      assert.equal(request["State"], "REQUEST")
      assert.equal(typeof request["fill"], "string")
      asked.push(request)
      const content = files[String(request["FILE"])]
      const answer = { ...request, State: "DATA", Body: "" }
      if (content === undefined) send({ ...answer, Status: "FileNotFound" })
      else if (checksum(content) === request["crc32"]) send({ ...answer, Status: "Match" })
      else send({ ...answer, Body: content, Status: "Success" })
    }
  } finally {
    wire.socket.destroy()
  }
}

export interface AgentSession {
  readonly wire: Wire
  readonly sessionKey: Buffer
  /** Undefined at the end. */
  readonly recv: () => Promise<Message | undefined>
  readonly send: (message: Message) => void
}

/** Connects and agrees on a key. Undefined when the node closes before it says anything. */
export async function joinAsAgent(
  port: number,
  /** How it writes its key; by default in one piece. */
  write: (socket: Socket, text: string) => Promise<void> | void = (socket, text) => void socket.write(text),
): Promise<AgentSession | undefined> {
  const wire = new Wire(connect({ host: "127.0.0.1", port, noDelay: true }))
  const key = await wire.recv()
  if (key === undefined) return undefined
  assert.equal(key["State"], "KEYSENT")
  const wrapping = randomBytes(16)
  const sessionKey = Buffer.from(randomBytes(16).toString("hex"))
  const nonce = randomBytes(16)
  const cipher = counter(wrapping, omac(wrapping, 0, nonce), sessionKey)
  const aes = {
    State: "AESKEY",
    enc_session_key: publicEncrypt({ key: String(key["PublicKey"]), ...rsa }, wrapping).toString("hex"),
    nonce: nonce.toString("hex"),
    tag: tag(wrapping, nonce, cipher).toString("hex"),
    cipher: cipher.toString("hex"),
  }
  await write(wire.socket, `${JSON.stringify(aes)}\n`)
  const recv = async (): Promise<Message | undefined> => {
    const envelope = await wire.recv()
    return envelope && decrypt(sessionKey, envelope)
  }
  const send = (message: Message): void => wire.send(encrypt(sessionKey, message), "\n")
  const test = await recv()
  assert.deepEqual([test?.["State"], test?.["Text"]], ["STARTAES", "Test"])
  send({ ...test, Text: "Passed" })
  return { wire, sessionKey, recv, send }
}
