import { constants } from "node:crypto"
import { connect, createSecureContext, type SecureContext } from "node:tls"
import { once } from "node:events"
import type { Identity } from "../src/channel/identity.ts"
import { ended } from "../test/support/ended.ts"

/** The floor: the least work for two ends to authenticate each other. No pins, no frames, no files. */

/** The very certificates and key exchange of the channel. */
export function tlsOptions(identity: Identity) {
  return {
    key: identity.keyPem,
    cert: identity.certificatePem,
    minVersion: "TLSv1.3",
    ecdhCurve: "X25519MLKEM768:X25519",
    secureOptions: constants.SSL_OP_NO_TICKET,
  } as const
}

export function floorContext(identity: Identity): SecureContext {
  return createSecureContext(tlsOptions(identity))
}

/** A handshake with certificates at both ends, a line there and back, and the end. */
export async function handshakeAndEcho(port: number, secureContext: SecureContext): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, secureContext, rejectUnauthorized: false })
  await once(socket, "secureConnect")
  socket.write("a line\n")
  await once(socket, "data")
  socket.end()
  await ended(socket)
}
