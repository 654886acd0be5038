import { parseDuration } from "../../base/duration.ts"
import { isPurserError, PurserError } from "../../base/errors.ts"
import type { Ca } from "../../ca/ca.ts"
import type { Listed } from "../../ca/records/record.ts"
import { factsOf, shownDate, withCa } from "./command.ts"
import type { Context } from "../command.ts"
import type { CaFlags } from "./open.ts"

/** `purser ca renew`: by name, or everything that ends soon. */

interface Flags extends CaFlags {
  readonly all?: boolean
  readonly before?: string
}

const defaultBeforeMs = 30 * 86_400_000

export async function runRenew(context: Context, flags: Flags, name: string | undefined): Promise<number> {
  const { all = false, before } = flags
  if (all === (name !== undefined)) {
    throw new PurserError("ERR_USAGE", "purser ca renew takes a name, or --all", {
      hint: "purser ca ls shows what there is",
    })
  }
  if (before !== undefined && !all) {
    throw new PurserError("ERR_USAGE", "--before has no meaning without --all", {
      hint: "a certificate that is named is renewed whenever it ends",
    })
  }
  const beforeMs = before === undefined ? undefined : parseDuration(before)
  return await withCa(context, flags, async (ca) => {
    if (name !== undefined) {
      await renewOne(ca, name, context)
      return 0
    }
    return await renewAll(ca, beforeMs, context)
  })
}

/** Goes on after a failure. Resolves with the exit code. */
async function renewAll(ca: Ca, beforeMs: number | undefined, context: Context): Promise<number> {
  const ending = (await ca.list({ all: false })).filter((one) => endsSoon(one, beforeMs))
  if (ending.length === 0) context.output.note("nothing ends so soon that it had to be renewed")
  let failed = 0
  for (const { name, origin, notAfter } of ending) {
    try {
      await renewOne(ca, name, context)
    } catch (error) {
      context.signal.throwIfAborted()
      if (!isPurserError(error)) throw error
      // What somebody else has to do is said, and is no failure of this call.
      if (origin === "issued") failed++
      const { code, message, hint } = error
      if (context.json)
        context.output.result({ name, notAfter, renewed: false, error: code, message, hint }, "")
      else context.output.warn(`${name} ends at ${shownDate(notAfter ?? "")}: ${message}`, hint)
    }
  }
  return failed > 0 ? 1 : 0
}

async function renewOne(ca: Ca, name: string, context: Context): Promise<void> {
  const record = await ca.renew(name, context.signal)
  const facts = factsOf(record)
  context.output.result(
    { ...facts, renewed: true },
    `${name}: renewed, valid until ${shownDate(facts.notAfter)}, serial ${record.serial}`,
  )
}

function endsSoon({ state, notBefore, notAfter }: Listed, beforeMs: number | undefined): boolean {
  if (notBefore === null || notAfter === null || state === "revoked") return false
  // Otherwise one of a week would be made anew at each call.
  const within = beforeMs ?? Math.min(defaultBeforeMs, (notAfter.getTime() - notBefore.getTime()) / 3)
  return notAfter.getTime() - Date.now() <= within
}
