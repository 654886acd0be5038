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
 * A receiver for FluxVault's own agent. It cannot tell who sends it files, but
 * for the allow-list; what it does with them is the work of the same step as
 * that of every node.
 */

export interface FluxvaultNodeOptions {
  /** Asked for every file line that it has; there is no `list` on this wire. */
  step: FilesStep
  /** Where the step writes. */
  directory: string
  allow: AllowList
  limits: ChannelLimits
  log: Log
  /** Called after every session, with what was wrong or null. */
  onSession: (error: unknown) => void
}

export interface FluxvaultNode extends AsyncDisposable {
  /** Resolves with the address taken (port 0 asks for a free one). Throws `ERR_LISTEN`. */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** Refuses new connections, ends those there are, and resolves when their sessions have ended. */
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
 * What the agent is asked for. A path that could be no name of ours is the name on this wire, where names are paths:
 * that is how a file line (`dot-env path=.env`) reaches a file of the original agent's that Purser has no name for.
 * Throws `ERR_FILE_LINE` for one that is too long to be asked for.
 */
export function wireName({ name, path }: FileLine): string {
  if (path === undefined || /^[/\\]|^[A-Za-z]:/.test(path) || isSecretName(path)) return name
  if (isAskable(path)) return path
  throw new PurserError("ERR_FILE_LINE", `no agent can be asked for path=${quote(path)}: it is too long`, {
    hint: "give the file a shorter path, of 255 characters at most",
  })
}

interface Where {
  directory: string
  limits: ChannelLimits
  log: Log
  signal: AbortSignal
}

async function deliver(channel: FluxvaultNodeChannel, step: FilesStep, where: Where): Promise<void> {
  try {
    await step(asAgent(channel, where))
  } catch (error) {
    // This wire has no word for a failure but an end without DONE. That a file was not to be had is none.
    if (error instanceof IncompleteDelivery) channel.done()
    throw error
  }
  channel.done()
}

function asAgent(channel: FluxvaultNodeChannel, { directory, limits, log, signal }: Where): FileAgent {
  /** One request at a time. */
  let turn: Promise<unknown> = Promise.resolve()
  const ask = async (have: string | null, line: FileLine): Promise<Fetched> => {
    const checksum = await checksumOf(line, have, directory)
    // 0 where there is none.
    const asked = wireName(line)
    const { status, body } = await channel.request(asked, checksum ?? 0, signal)
    log.debug(`asked for ${asked}: ${status}`)
    if (status === "FileNotFound") return { status: "missing" }
    // The checksum of nothing is that of an empty file, so the original agent never sends one.
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
    // Never asked, since the files are given.
    list: async () => ({ secrets: [], actions: [] }),
    async file(_name, { have, line }) {
      const answer = turn.then(() => ask(have, line))
      turn = answer
      answer.catch(() => {})
      return await answer
    },
  }
}

/** Null for what is not there, or not as it should be, or is not any more what was seen there. */
async function checksumOf(line: FileLine, have: string | null, directory: string): Promise<number | null> {
  const content = have === null ? null : await readOnDisk(line, directory)
  return content === null || have === null || !sameText(content.digest, have) ? null : crc32(content.reveal())
}
