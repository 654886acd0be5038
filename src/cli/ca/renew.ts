import { parseDuration } from "../../base/duration.ts"
import { isPurserError, PurserError } from "../../base/errors.ts"
import type { Ca } from "../../ca/ca.ts"
import type { Listed } from "../../ca/records/record.ts"
import { factsOf, shownDate, withCa } from "./command.ts"
import type { Context } from "../command.ts"
import type { CaFlags } from "./open.ts"

/** `purser ca renew`: renews one certificate, or all that expire soon. */

interface Flags extends CaFlags {
  readonly all?: boolean
  readonly before?: string
}

const defaultBeforeMs = 30 * 86_400_000

export async function runRenew(context: Context, flags: Flags, name: string | undefined): Promise<number> {
  const { all = false, before } = flags
  if (all === (name !== undefined)) {
    throw new PurserError("ERR_USAGE", "purser ca renew takes a name, or --all", {
      hint: "purser ca ls lists the certificates",
    })
  }
  if (before !== undefined && !all) {
    throw new PurserError("ERR_USAGE", "--before needs --all", {
      hint: "a certificate given by name is renewed regardless of expiry",
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

/** Renews all certificates that expire soon, and continues after a failure. Resolves with the exit code. */
async function renewAll(ca: Ca, beforeMs: number | undefined, context: Context): Promise<number> {
  const ending = (await ca.list({ all: false })).filter((one) => endsSoon(one, beforeMs))
  if (ending.length === 0) context.output.note("no certificate expires soon enough to be renewed")
  let failed = 0
  for (const { name, origin, notAfter } of ending) {
    try {
      await renewOne(ca, name, context)
    } catch (error) {
      context.signal.throwIfAborted()
      if (!isPurserError(error)) throw error
      // Certificates that only another CA, or the key's owner, can renew are reported, but are no failure.
      if (origin === "issued") failed++
      const { code, message, hint } = error
      if (context.json)
        context.output.result({ name, notAfter, renewed: false, error: code, message, hint }, "")
      else context.output.warn(`${name} expires at ${shownDate(notAfter ?? "")}: ${message}`, hint)
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
  // The default is limited to a third of the lifetime; otherwise a certificate of a week would be renewed at each call.
  const within = beforeMs ?? Math.min(defaultBeforeMs, (notAfter.getTime() - notBefore.getTime()) / 3)
  return notAfter.getTime() - Date.now() <= within
}
