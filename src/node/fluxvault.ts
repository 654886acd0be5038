import { sameText } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { isSecretName, quote } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import type { ListenAddress } from "../channel/bind.ts"
import type { AllowList } from "../channel/allow-list.ts"
import { crc32 } from "../channel/fluxvault/crc32.ts"
import { createFluxvaultServer, type FluxvaultNodeChannel } from "../channel/fluxvault/listen.ts"
import { isAskable } from "../channel/fluxvault/messages.ts"
import type { ChannelLimits } from "../channel/limits.ts"
import { readOnDisk } from "../files/on-disk.ts"
import type { Fetched } from "../rollout/deliver-files.ts"
import type { FileLine } from "../files/file-line.ts"
import type { FileAgent, FilesStep } from "./files-step.ts"
import { reportSession } from "./report-session.ts"
import { IncompleteDelivery } from "./session.ts"

/**
 * A receiver for FluxVault's own agent. The protocol does not authenticate the
 * agent, so only the allow-list restricts which addresses may send files. The
 * files are installed by the same step as in every node.
 */

export interface FluxvaultNodeOptions {
  /** Must have its own file lines, because this protocol has no `list`. */
  step: FilesStep
  /** The directory that the step writes to. */
  directory: string
  allow: AllowList
  limits: ChannelLimits
  log: Log
  /** Called after every session, with its error or null. */
  onSession: (error: unknown) => void
}

export interface FluxvaultNode extends AsyncDisposable {
  /** Resolves with the address taken (port 0 asks for a free one). Throws `ERR_LISTEN`. */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** Refuses new connections, closes the open ones, and resolves when their sessions have ended. */
  close(): Promise<void>
}

export function createFluxvaultNode(options: FluxvaultNodeOptions): FluxvaultNode {
  const { step, onSession, ...rest } = options
  return createFluxvaultServer({
    ...rest,
    onSession: (channel, signal) =>
      reportSession(channel, rest.log, onSession, () => deliver(channel, step, { ...rest, signal })),
  })
}

/**
 * The name that the agent is asked for. In this protocol names are paths, so a relative path that is not a valid secret
 * name is sent instead of the line's name: the file line `dot-env path=.env` asks for `.env`.
 * Throws `ERR_FILE_LINE` for a path that is too long to be sent.
 */
export function wireName({ name, path }: FileLine): string {
  if (path === undefined || /^[/\\]|^[A-Za-z]:/.test(path) || isSecretName(path)) return name
  if (isAskable(path)) return path
  throw new PurserError("ERR_FILE_LINE", `path=${quote(path)} is too long for FluxVault's protocol`, {
    hint: "use at most 255 characters",
  })
}

interface DeliverOptions {
  directory: string
  limits: ChannelLimits
  log: Log
  signal: AbortSignal
}

async function deliver(
  channel: FluxvaultNodeChannel,
  step: FilesStep,
  options: DeliverOptions,
): Promise<void> {
  try {
    await step(asAgent(channel, options))
  } catch (error) {
    // This protocol signals a failed session only by an end without DONE. A missing file does not fail the session.
    if (error instanceof IncompleteDelivery) channel.done()
    throw error
  }
  channel.done()
}

function asAgent(
  channel: FluxvaultNodeChannel,
  { directory, limits, log, signal }: DeliverOptions,
): FileAgent {
  /** The previous request: this protocol allows one at a time. */
  let turn: Promise<unknown> = Promise.resolve()
  const ask = async (have: string | null, line: FileLine): Promise<Fetched> => {
    const checksum = await checksumOf(line, have, directory)
    const asked = wireName(line)
    const { status, body } = await channel.request(asked, checksum ?? 0 /* no file */, signal)
    log.debug(`asked for ${asked}: ${status}`)
    if (status === "FileNotFound") return { status: "missing" }
    // An empty file has the checksum 0 too, so the original agent answers Match and never sends it.
    if (status === "Match")
      return checksum === null ? { status: "sent", content: new Secret("") } : { status: "match" }
    const content = new Secret(body)
    if (content.sizeBytes > limits.secretBytes) {
      throw new PurserError(
        "ERR_LIMIT",
        `${line.name} has ${content.sizeBytes} bytes, the limit is ${limits.secretBytes}`,
        { hint: "raise the limit secret_bytes, up to 16 MiB" },
      )
    }
    return { status: "sent", content }
  }
  return {
    signal,
    // Never called, because the step has its own file lines.
    list: async () => ({ secrets: [], actions: [] }),
    async file(_name, { have, line }) {
      const answer = turn.then(() => ask(have, line))
      turn = answer
      answer.catch(() => {})
      return await answer
    },
  }
}

/** The CRC-32 of the file in place, or null when `have` is null or the content no longer has that digest. */
async function checksumOf(line: FileLine, have: string | null, directory: string): Promise<number | null> {
  const content = have === null ? null : await readOnDisk(line, directory)
  return content === null || have === null || !sameText(content.digest, have) ? null : crc32(content.reveal())
}
