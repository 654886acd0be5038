import { PurserError } from "../base/errors.ts"
import { Secret } from "../base/secret.ts"
import type { Context } from "./command.ts"

/** Asks questions on a terminal. Prints them on stderr, so that stdout holds results only. */

type Asking = Pick<Context, "stdin" | "signal">

export function canAsk({ stdin }: Pick<Context, "stdin">): boolean {
  return stdin.isTTY && process.stderr.isTTY
}

/** Asks once, without showing the answer. Throws an `AbortError` on Ctrl-C. */
export async function askPassword(question: string, context: Asking): Promise<Secret> {
  const { isCancel, password } = await import("@clack/prompts")
  const answer = await password({ message: question, ...streams(context) })
  if (isCancel(answer)) throw cancelled()
  return new Secret(answer)
}

/** Asks twice, until both answers are the same and not empty. Throws an `AbortError` on Ctrl-C. */
export async function askNewPassword(question: string, context: Asking): Promise<Secret> {
  const { log } = await import("@clack/prompts")
  for (;;) {
    const first = await askPassword(question, context)
    const second = await askPassword("once more", context)
    if (first.sizeBytes > 0 && first.reveal().equals(second.reveal())) return first
    log.warn(first.sizeBytes === 0 ? "it is empty" : "they differ", { output: process.stderr })
  }
}

/** Asks a yes/no question; the default is no. Throws an `AbortError` on Ctrl-C. */
export async function confirm(question: string, context: Asking): Promise<boolean> {
  const { confirm: ask, isCancel } = await import("@clack/prompts")
  const answer = await ask({ message: question, initialValue: false, ...streams(context) })
  if (isCancel(answer)) throw cancelled()
  return answer
}

/** Reads all of stdin. Throws `ERR_SECRET_TOO_LARGE`. */
export async function readStdin({ stdin, signal }: Asking, maxBytes: number): Promise<Buffer> {
  signal.throwIfAborted()
  const chunks: Buffer[] = []
  let length = 0
  const onAbort = (): void => void stdin.destroy(signal.reason as Error)
  signal.addEventListener("abort", onAbort, { once: true })
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) {
      throw new PurserError("ERR_SECRET_TOO_LARGE", `standard input has more than ${maxBytes} bytes`, {
        hint: "raise limits.secret_bytes in purser.yaml (16 MiB at most)",
      })
    }
    chunks.push(chunk)
  }
  signal.removeEventListener("abort", onAbort)
  return Buffer.concat(chunks)
}

function streams({ stdin, signal }: Asking) {
  return { input: stdin, output: process.stderr, signal }
}

function cancelled(): DOMException {
  return new DOMException("cancelled", "AbortError")
}
