import { AssertionError } from "node:assert/strict"
import { once } from "node:events"
import { connect } from "node:net"
import type { TestContext } from "node:test"
import { version } from "../../src/base/version.ts"
import { connectToNode, type AgentChannel } from "../../src/channel/dial.ts"
import { parseEnrolment, type Enrolment } from "../../src/channel/enrolment.ts"
import type { Frame } from "../../src/channel/frames.ts"
import { createIdentity, type Identity } from "../../src/channel/identity.ts"
import { createChannelServer, type NodeChannel } from "../../src/channel/listen.ts"
import { proofOf } from "../../src/channel/proof.ts"

/** Ends whose every frame a test writes, behind a real handshake: peers that break the rules. */

export interface RawNode {
  readonly address: string
  readonly identity: Identity
  /** Every frame that the agent sent. */
  readonly received: readonly Frame[]
  /** Resolves when a session has ended. */
  readonly ended: () => Promise<void>
}

export interface RawNodeSession {
  readonly channel: NodeChannel
  readonly signal: AbortSignal
  /** A hello with a true proof, but for what is changed. */
  readonly hello: (changes?: Record<string, unknown>) => Record<string, unknown>
  readonly write: (frame: object) => Promise<void>
  readonly next: () => Promise<Frame>
  /** Sends hello, and resolves when the agent has answered it. */
  readonly greet: (changes?: Record<string, unknown>) => Promise<Frame>
}

/** A node whose every frame the test writes. */
export async function rawNode(
  t: TestContext,
  enrolment: Enrolment | string,
  converse: (session: RawNodeSession) => Promise<void>,
  { identity = createIdentity() }: { identity?: Identity } = {},
): Promise<RawNode> {
  const {
    app,
    agentPins: pins,
    token,
  } = typeof enrolment === "string" ? parseEnrolment(enrolment) : enrolment
  const received: Frame[] = []
  const failures: AssertionError[] = []
  const over = Promise.withResolvers<void>()
  const server = createChannelServer({
    identity,
    agentPins: pins,
    async onSession(channel, signal) {
      const hello = (changes: Record<string, unknown> = {}) => ({
        type: "hello",
        protocol: "purser/1",
        app,
        node: "raw",
        version,
        proof:
          token === undefined
            ? null
            : proofOf({
                token,
                exporter: channel.exporter,
                nodeSpkiSha256: identity.spkiSha256,
                agentSpkiSha256: channel.agentSpkiSha256,
                app,
              }).toString("base64url"),
        ...changes,
      })
      const next = async (): Promise<Frame> => {
        const frame = await channel.reader.next({ signal })
        received.push(frame)
        return frame
      }
      const write = (frame: object): Promise<void> => channel.writer.write(frame)
      const greet = async (changes?: Record<string, unknown>): Promise<Frame> => {
        await write(hello(changes))
        return await next()
      }
      try {
        await converse({ channel, signal, hello, write, next, greet })
      } catch (error) {
        if (error instanceof AssertionError) failures.push(error)
        throw error
      } finally {
        over.resolve()
      }
    },
  })
  t.after(async () => {
    await server.close()
    for (const failure of failures) throw failure
  })
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 })
  return { address: `127.0.0.1:${port}`, identity, received, ended: () => over.promise }
}

export const doneFrame = { type: "done", status: "ok", written: 0, unchanged: 0, missing: 0 }

export interface RawAgent {
  readonly channel: AgentChannel
  readonly write: (frame: object) => Promise<void>
  readonly next: () => Promise<Frame>
  /** Answers hello with welcome. */
  readonly welcome: () => Promise<Frame>
}

/** An agent whose every frame the test writes, with the identity of a real one. */
export async function rawAgent(t: TestContext, port: number, identity: Identity): Promise<RawAgent> {
  const channel = await connectToNode({
    host: "127.0.0.1",
    port,
    identity,
    signal: new AbortController().signal,
  })
  t.after(() => channel.socket.destroy())
  const next = (): Promise<Frame> => channel.reader.next()
  const write = (frame: object): Promise<void> => channel.writer.write(frame)
  return {
    channel,
    next,
    write,
    async welcome() {
      const hello = await next()
      await write({ type: "welcome", version })
      return hello
    },
  }
}

/** Connects and says nothing. Destroyed after the test. */
export async function silentStrangers(t: TestContext, port: number, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ host: "127.0.0.1", port })
      socket.on("error", () => {})
      t.after(() => socket.destroy())
      await once(socket, "connect")
    }),
  )
}
