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
 * Sets up TLS for both ends: 1.3 only, ALPN, no certificate authority, no
 * resumption, post-quantum key exchange if OpenSSL has it. `rejectUnauthorized`
 * is false at both ends, because no authority signs our certificates. Every peer
 * therefore gets as far as the handlers, where peer-check.ts decides.
 */

/** The post-quantum hybrid of ML-KEM-768 and X25519. */
const hybridGroup = "X25519MLKEM768"
const classicalGroup = "X25519"
const exporterLabel = "EXPORTER-purser-enrol-1"

interface Groups {
  readonly all: string
  readonly hybridOnly: string | undefined
}

let knownGroups: Groups | undefined

/**
 * Returns the key exchange groups to offer, for `ecdhCurve`. Throws `ERR_CONFIG` if `requirePq` needs the hybrid, which
 * OpenSSL before 3.5 lacks.
 */
export function keyExchangeGroups(requirePq = false, isKnown = isKnownGroup): string {
  const groups =
    knownGroups !== undefined && isKnown === isKnownGroup
      ? knownGroups
      : isKnown(hybridGroup)
        ? { all: `${hybridGroup}:${classicalGroup}`, hybridOnly: hybridGroup }
        : { all: classicalGroup, hybridOnly: undefined }
  if (isKnown === isKnownGroup) knownGroups = groups
  if (!requirePq) return groups.all
  if (groups.hybridOnly !== undefined) return groups.hybridOnly
  throw new PurserError(
    "ERR_CONFIG",
    "this Node.js has no post-quantum key exchange, which require_pq demands",
    {
      hint: "use a Node.js with OpenSSL 3.5 or newer (24.12 or newer has it), or remove require_pq",
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

/** Caches the TLS contexts of each identity, because creating one costs a fifth of a handshake. */
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

/** Starts to connect. Sends no server name, because neither end uses it and it would reveal the dialled address. */
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

/** Creates a TLS server that does not listen; it gets connections by `emit("connection", socket)`. */
export function createTlsServer(identity: Identity, handshakeMs: number): Server {
  return createServer({
    ...contextOptions(identity, false),
    ALPNProtocols: [protocol],
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeMs,
  })
}

/** Exports 32 bytes (RFC 8446 section 7.5) that are the same at both ends and differ for every connection. */
export function exporterOf(socket: TLSSocket): Buffer {
  // In TLS 1.3 an empty context equals none. Node.js throws for an empty string, so an empty buffer is passed.
  return socket.exportKeyingMaterial(32, exporterLabel, Buffer.alloc(0))
}

/**
 * Returns the key exchange group, `X25519MLKEM768` or `X25519`, which only the dialling end can see. The first releases
 * of Node.js 24 return an object without a name for the hybrid.
 */
export function negotiatedGroup(socket: Pick<TLSSocket, "getEphemeralKeyInfo">): string {
  const info: object | null = socket.getEphemeralKeyInfo()
  if (info === null) throw new TypeError("only the dialling end knows the group")
  return "name" in info && typeof info.name === "string" ? info.name : hybridGroup
}
