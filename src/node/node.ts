import type { Socket } from "node:net"
import { hostname } from "node:os"
import { silentLog, type Log } from "../base/log.ts"
import { isAppName } from "../base/names.ts"
import { version } from "../base/version.ts"
import type { AllowList } from "../channel/allow-list.ts"
import { parseEnrolment, type Enrolment } from "../channel/enrolment.ts"
import { createIdentity, type Identity } from "../channel/identity.ts"
import { resolveLimits, type ChannelLimits } from "../channel/limits.ts"
import { createChannelServer } from "../channel/listen.ts"
import type { Pin } from "../channel/pin.ts"
import { defaultPort } from "../channel/port.ts"
import { reportSession } from "./report-session.ts"
import { runSession, type Steps } from "./session.ts"

/**
 * The receiver. It listens, accepts only a pinned agent, and runs its steps in
 * every session. It runs inside applications' containers, so it may import
 * nothing from npm.
 */

export interface NodeOptions {
  /** The string that `purser enrol APP` printed, or its parts. */
  enrolment: string | Enrolment
  /** Runs in each session: `filesStep({…})`, or steps of the application's own. */
  steps: Steps
  /** The name by which the agent lists this node. Default: the first label of the host name if it is a valid name, else `node`. */
  name?: string | undefined
  /** The node's key. Default: a new one, kept in memory only. */
  identity?: Identity | undefined
  /** The addresses that may connect. Default: all, because the pin authenticates the agent. */
  allow?: AllowList | undefined
  limits?: Partial<ChannelLimits> | undefined
  log?: Log | undefined
  /** Called after every session, with its error or null. */
  onSession?: ((error: unknown) => void) | undefined
}

export interface PurserNode extends AsyncDisposable {
  readonly pin: Pin
  readonly app: string
  /** Listens. Resolves with the address taken (port 0 asks for a free one). Throws `ERR_LISTEN`. */
  listen(address: { host?: string; port?: number }): Promise<{ host: string; port: number }>
  /** Takes over a TCP connection that an application's own server accepted. */
  handle(socket: Socket): void
  /** Refuses new connections, ends the open sessions, and resolves when they have ended. */
  close(): Promise<void>
}

/** Makes a node that does not listen yet. Throws `ERR_ENROLMENT` for a damaged enrolment string. */
export function createNode(options: NodeOptions): PurserNode {
  const { steps, log = silentLog, onSession } = options
  const enrolment =
    typeof options.enrolment === "string" ? parseEnrolment(options.enrolment) : options.enrolment
  const identity = options.identity ?? createIdentity()
  const limits = resolveLimits(options.limits)
  const name = options.name ?? defaultName()

  const server = createChannelServer({
    identity,
    agentPins: enrolment.agentPins,
    ...(options.allow === undefined ? {} : { allow: options.allow }),
    limits,
    log,
    onSession: (channel, signal) =>
      reportSession(channel, log, onSession, () =>
        runSession(
          channel,
          { enrolment, spkiSha256: identity.spkiSha256, name, version, limits, steps },
          signal,
        ),
      ),
  })

  return {
    pin: identity.pin,
    app: enrolment.app,
    listen: ({ host = "::", port = defaultPort }) => server.listen({ host, port }),
    handle: (socket) => server.handle(socket),
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  }
}

function defaultName(): string {
  const name = hostname().toLowerCase().split(".")[0] ?? ""
  return isAppName(name) ? name : "node"
}
