import { constants } from "node:crypto"
import {
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from "node:tls"
import { PurserError } from "../base/errors.ts"
import type { Identity } from "./identity.ts"
import { protocol } from "./messages.ts"

/**
 * How the two ends set up TLS: 1.3 only, ALPN, no certificate authority, no
 * resumption, post-quantum key exchange where OpenSSL has it. `rejectUnauthorized`
 * is false at both ends, since no authority signs our certificates: it lets
 * everybody as far as the handlers, where gate.ts decides.
 */

/** Post-quantum hybrid of ML-KEM-768 and X25519. */
const hybridGroup = "X25519MLKEM768"
const classicalGroup = "X25519"
const exporterLabel = "EXPORTER-purser-enrol-1"

interface Groups {
  readonly all: string
  readonly hybridOnly: string | undefined
}

let known: Groups | undefined

/** Key exchange groups to offer, for `ecdhCurve`. OpenSSL before 3.5 lacks the hybrid, and naming it there throws. */
export function keyExchangeGroups(requirePq = false, isKnown = isKnownGroup): string {
  const groups =
    known !== undefined && isKnown === isKnownGroup
      ? known
      : isKnown(hybridGroup)
        ? { all: `${hybridGroup}:${classicalGroup}`, hybridOnly: hybridGroup }
        : { all: classicalGroup, hybridOnly: undefined }
  if (isKnown === isKnownGroup) known = groups
  if (!requirePq) return groups.all
  if (groups.hybridOnly !== undefined) return groups.hybridOnly
  throw new PurserError(
    "ERR_CONFIG",
    "this Node.js has no post-quantum key exchange, which require_pq asks for",
    {
      hint: "use a Node.js with OpenSSL 3.5 or newer (24.12 or newer has it), or take require_pq away",
    },
  )
}

function isKnownGroup(group: string): boolean {
  try {
    createSecureContext({ ecdhCurve: group })
    return true
  } catch {
    return false
  }
}

function contextOptions(identity: Identity, requirePq: boolean) {
  return {
    key: identity.keyPem,
    cert: identity.certificatePem,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ecdhCurve: keyExchangeGroups(requirePq),
    secureOptions: constants.SSL_OP_NO_TICKET,
  } as const
}

/** Making one costs a fifth of a handshake, so each identity keeps its own for all that it dials. */
const contexts = new WeakMap<Identity, Map<boolean, SecureContext>>()

function contextOf(identity: Identity, requirePq: boolean): SecureContext {
  const own = contexts.get(identity) ?? new Map<boolean, SecureContext>()
  contexts.set(identity, own)
  const context = own.get(requirePq) ?? createSecureContext(contextOptions(identity, requirePq))
  own.set(requirePq, context)
  return context
}

export interface ConnectTlsOptions {
  host: string
  port: number
  identity: Identity
  requirePq: boolean
}

/** Starts to connect. Sends no server name: the address that was dialled is nobody's business, and trusted by nobody. */
export function connectTls({ host, port, identity, requirePq }: ConnectTlsOptions): TLSSocket {
  const socket = connect({
    host,
    port,
    secureContext: contextOf(identity, requirePq),
    ALPNProtocols: [protocol],
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  return socket.setNoDelay(true)
}

/** A TLS server that does not listen: it is handed connections by `emit("connection", socket)`. */
export function createTlsServer(identity: Identity, handshakeMs: number): Server {
  return createServer({
    ...contextOptions(identity, false),
    ALPNProtocols: [protocol],
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeMs,
  })
}

/** 32 bytes of this connection (RFC 8446 section 7.5): the same at both ends, and at no other connection. */
export function exporterOf(socket: TLSSocket): Buffer {
  // No context and an empty one are the same in TLS 1.3; Node.js wants a buffer, and throws for an empty string.
  return socket.exportKeyingMaterial(32, exporterLabel, Buffer.alloc(0))
}

/**
 * The key exchange group, `X25519MLKEM768` or `X25519`, as the end that dialled sees it. The other end cannot tell.
 * The first releases of Node.js 24 give an object without a name for a group that they have no name for: the hybrid.
 */
export function negotiatedGroup(socket: Pick<TLSSocket, "getEphemeralKeyInfo">): string {
  const info: object | null = socket.getEphemeralKeyInfo()
  if (info === null) throw new TypeError("only the end that dialled knows the group")
  return "name" in info && typeof info.name === "string" ? info.name : hybridGroup
}
