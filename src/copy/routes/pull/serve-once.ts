import { untilAborted } from "../../../base/abort.ts"
import type { Secret } from "../../../base/secret.ts"
import { octal } from "../exec/protocol.ts"
import { builderAddress } from "./address.ts"
import { sealBody } from "./envelope.ts"
import { orderGet } from "./receiver.ts"
import { PullServer } from "./server.ts"

export interface ToServeOnce {
  readonly content: Secret
  /** Absolute path of the file to write. */
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** This machine's address: `HOST[:PORT]`. Default: the engine's default bridge, where builds run. */
  readonly address?: string
  readonly signal: AbortSignal
}

export interface ServedOnce extends AsyncDisposable {
  readonly url: string
  /** A command line for a shell that has `purser-receiver`, which is `receiverScript`. It holds the password. */
  readonly line: string
  /** Resolves once the file was downloaded. Throws `ERR_TIMEOUT`, `ERR_UNREACHABLE`, and the signal's reason. */
  readonly done: Promise<void>
}

/**
 * Serves one download to any process that has the line, within 30 s and bound to no container. Throws `ERR_LISTEN` and
 * `ERR_ADDRESS`.
 */
export async function serveOnce({ content, path, mode, address, signal }: ToServeOnce): Promise<ServedOnce> {
  const { body, password, publicKey } = await sealBody({ content, containerId: "-", path, mode: octal(mode) })
  const server = await PullServer.open(address ?? (await builderAddress()), signal)
  const { url, done } = server.offer(body)
  const order = orderGet({
    number: 1,
    url,
    password,
    publicKey,
    containerId: "-",
    witness: "-",
    path,
    mode: octal(mode),
    owner: "-",
    requireTmpfs: false,
  })
  const whole = untilAborted(done, signal)
  whole.catch(() => {})
  return {
    url,
    // The order holds no character that is special between single quotes: see escapeForPrintf.
    line: `printf '%s\\n' '${order}' commit | purser-receiver`,
    done: whole,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
