import { PurserError } from "../../base/errors.ts"
import type { Secret } from "../../base/secret.ts"
import { receiverScript } from "../../copy/routes/pull/receiver.ts"
import { serveOnce } from "../../copy/routes/pull/serve-once.ts"
import type { Context } from "../command.ts"
import { pathsFor, parseDestination } from "./destination.ts"

/** The parts of `purser cp --route pull` that need no container: printing the receiver, and serving one download to a builder. */

export async function printReceiver({ output }: Context, words: readonly string[]): Promise<void> {
  if (words.length > 0)
    throw new PurserError("ERR_USAGE", "--print-receiver takes no file and no destination", {
      hint: "it prints the same program for all: purser cp --route pull --print-receiver > purser-receiver",
    })
  await output.bytes(Buffer.from(receiverScript))
}

export interface OnceUrlFlags {
  readonly mode: number
  readonly serveAddress?: string
}

/** Serves one file once. Resolves when it was downloaded. */
export async function serveOneUrl(
  { output, signal }: Context,
  { mode, serveAddress }: OnceUrlFlags,
  words: readonly string[],
  read: (sources: readonly string[]) => Promise<readonly Secret[]>,
): Promise<void> {
  const [source, target] = words
  if (source === undefined || target === undefined || words.length > 2) {
    throw new PurserError("ERR_USAGE", "--once-url takes one file and its destination", {
      hint: "purser cp --route pull --once-url FILE :/run/secrets/NAME",
    })
  }
  const destination = parseDestination(target)
  if (destination.container !== undefined) {
    throw new PurserError(
      "ERR_USAGE",
      `--once-url takes a destination without a container, and ${target} names one`,
      {
        hint: `write :${destination.path}`,
      },
    )
  }
  const [path = ""] = pathsFor([source], destination)
  const [content] = await read([source])
  if (content === undefined) throw new TypeError("one source was read")
  await using served = await serveOnce({
    content,
    path,
    mode,
    ...(serveAddress === undefined ? {} : { address: serveAddress }),
    signal,
  })
  output.warn(
    "this download is not bound to a container: anyone with this line can download the file once within 30 s",
  )
  output.result({ url: served.url, line: served.line }, served.line)
  await served.done
  output.note("it was downloaded")
}
