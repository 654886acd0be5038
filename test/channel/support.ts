import { createPublicKey, sign, type KeyObject } from "node:crypto"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { duplexPair, type Duplex } from "node:stream"
import type { TestContext } from "node:test"
import * as tls from "node:tls"
import * as der from "../../src/x509/der.ts"
import { PurserError } from "../../src/base/errors.ts"
import { FrameWriter } from "../../src/channel/frame-writer.ts"
import { FrameReader } from "../../src/channel/frames.ts"
import type { Rejection } from "../../src/channel/peer-check.ts"
import { createIdentity, type Identity } from "../../src/channel/identity.ts"
import { resolveLimits, type ChannelLimits } from "../../src/channel/limits.ts"
import { createChannelServer, type ChannelServerOptions, type NodeChannel } from "../../src/channel/listen.ts"
import { ended } from "../support/ended.ts"
import { waitingFor } from "../support/situation.ts"

/** The number of runs of a property; `SLOW=1` makes it larger. */
export const numRuns = process.env["SLOW"] === undefined ? 200 : 10_000

/** Returns a check for `assert.rejects` and `assert.throws`: a PurserError with this code and a matching message. */
export function purserError(code: string, message: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof PurserError && error.code === code && message.test(error.message)) return true
    throw new Error(`expected ${code} ${message}`, { cause: error })
  }
}

export interface TestNode {
  readonly node: Identity
  readonly agent: Identity
  readonly port: number
  /** All rejections, in order. */
  readonly rejected: readonly Rejection[]
  /** All sessions that began, in order. */
  readonly sessions: readonly NodeChannel[]
  /** Resolves once `count` peers were rejected. */
  rejections(count: number): Promise<readonly Rejection[]>
  handle(socket: Socket): void
  close(): Promise<void>
}

export type TestNodeOptions = Partial<Omit<ChannelServerOptions, "limits" | "onRejected">> & {
  limits?: Partial<ChannelLimits>
}

/**
 * Starts a real node on a free loopback port, closed after the test. Its default session sends a hello and waits for a
 * frame.
 */
export async function startNode(t: TestContext, options: TestNodeOptions = {}): Promise<TestNode> {
  const agent = createIdentity()
  const node = options.identity ?? createIdentity()
  const rejected: Rejection[] = []
  const sessions: NodeChannel[] = []
  const waiting: { count: number; resolve: (all: readonly Rejection[]) => void }[] = []
  const server = createChannelServer({
    agentPins: [agent.pin],
    ...options,
    identity: node,
    limits: resolveLimits(options.limits),
    async onSession(channel, signal) {
      sessions.push(channel)
      if (options.onSession !== undefined) return await options.onSession(channel, signal)
      await channel.writer.write({ type: "hello" })
      await channel.reader.next({ signal }).catch(() => {})
    },
    onRejected(reason) {
      rejected.push(reason)
      for (const { count, resolve } of waiting) if (rejected.length >= count) resolve(rejected)
    },
  })
  t.after(() => server.close())
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 })
  return {
    node,
    agent,
    port,
    rejected,
    sessions,
    rejections(count) {
      const { promise, resolve } = Promise.withResolvers<readonly Rejection[]>()
      if (rejected.length >= count) resolve(rejected)
      else waiting.push({ count, resolve })
      return waitingFor(`${count} peers to be turned away`, promise)
    },
    handle: (socket) => server.handle(socket),
    close: () => server.close(),
  }
}

/** Returns the TLS options of an honest agent; an attack changes some of them. */
export function honest(identity: Identity): tls.ConnectionOptions {
  return {
    key: identity.keyPem,
    cert: identity.certificatePem,
    ALPNProtocols: ["purser/1"],
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  }
}

/** Dials with bare node:tls. Resolves with all that the peer sent, once it has closed. */
export async function bareDial(port: number, options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect({ host: "127.0.0.1", port, ...options })
  let received = ""
  socket.on("data", (part: Buffer) => (received += part.toString()))
  await ended(socket)
  return received
}

/** Connects without sending anything; destroyed after the test. */
export async function silentStranger(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port })
  socket.on("error", () => {})
  t.after(() => socket.destroy())
  await once(socket, "connect")
  return socket
}

export interface Ends {
  readonly reader: FrameReader
  readonly writer: FrameWriter
  readonly near: Duplex
  /** The far end, for raw bytes. */
  readonly peer: Duplex
}

/** Returns a reader and a writer on one end of a connection in memory. */
export function ends(t: TestContext, limits: Partial<ChannelLimits> = {}): Ends {
  const [near, peer] = duplexPair()
  t.after(() => {
    near.destroy()
    peer.destroy()
  })
  const resolved = resolveLimits(limits)
  return { reader: new FrameReader(near, resolved), writer: new FrameWriter(near, resolved), near, peer }
}

/** Returns a self-signed certificate in PEM that our own code never makes: with another kind of key, or other dates. */
export function certificateFor(
  privateKey: KeyObject,
  notBefore = new Date(0),
  notAfter = new Date(),
): string {
  const isEc = privateKey.asymmetricKeyType === "ec"
  const algorithm = isEc
    ? der.sequence(der.oid("1.2.840.10045.4.3.2"))
    : der.sequence(der.oid("1.2.840.113549.1.1.11"), der.nothing())
  const name = der.sequence()
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" })
  const validity = der.sequence(der.time(notBefore), der.time(notAfter))
  const body = der.sequence(der.integer(1), algorithm, name, validity, name, spki)
  return der.pem(
    "CERTIFICATE",
    der.sequence(body, algorithm, der.bitString(sign("sha256", body, privateKey))),
  )
}
