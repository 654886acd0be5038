import { X509Certificate } from "node:crypto"
import { stat } from "node:fs/promises"
import { PurserError } from "../../base/errors.ts"
import type { Listed } from "../../ca/records/record.ts"
import { factsOfAuthority, findRecord, readInput, shownDate, withCa } from "./command.ts"
import type { Context } from "../command.ts"

/** `purser ca ls`, `show`, `root` and `bundle`: the commands that change nothing. */

export async function list(context: Context, { all = false }: { all?: boolean }): Promise<void> {
  await withCa(context, {}, async (ca, { stateDir }) => {
    const found = await ca.list({ all })
    if (found.length === 0) context.output.note(`there are no certificates in ${stateDir}`)
    context.output.table<Listed>(found, [
      { title: "NAME", value: ({ name }) => name },
      { title: "STATE", value: ({ state }) => state },
      { title: "EXPIRES", value: ({ notAfter }) => (notAfter === null ? "" : shownDate(notAfter)) },
      {
        title: "IN",
        value: ({ notAfter }) => (notAfter === null ? "" : timeUntil(notAfter)),
        align: "right",
      },
      { title: "NAMES", value: ({ names }) => names.join(",") },
      { title: "SERIAL", value: ({ serial }) => serial ?? "" },
    ])
  })
}

/** Time until a date in its largest fitting unit: `12d`, `5h`, `7m`; negative for a past date. */
export function timeUntil(date: Date, now = Date.now()): string {
  const minutes = Math.trunc((date.getTime() - now) / 60_000)
  const size = Math.abs(minutes)
  if (size >= 2 * 1440) return `${Math.trunc(minutes / 1440)}d`
  return size >= 120 ? `${Math.trunc(minutes / 60)}h` : `${minutes}m`
}

export async function show(context: Context, what: string | undefined): Promise<void> {
  const { describe } = await import("../../ca/show/show.ts")
  const { formatDescribed } = await import("../../ca/show/text.ts")
  const described = await describe(await bytesOf(context, what))
  context.output.result(described, formatDescribed(described).trimEnd())
}

async function bytesOf(context: Context, what: string | undefined): Promise<Buffer> {
  if (what === undefined && context.stdin.isTTY) {
    throw new PurserError("ERR_USAGE", "purser ca show needs an argument", {
      hint: "give a file, the name of a certificate, or - for standard input",
    })
  }
  if (what === undefined || what === "-") return await readInput(context, "-")
  const found = await stat(what).catch(() => null)
  if (found !== null && !found.isDirectory()) return await readInput(context, what)
  return await withCa(context, {}, async (ca) => {
    const { certificate, chain } = await findRecord(ca, what)
    return Buffer.from([certificate, ...chain].join(""))
  })
}

export async function printRoot(context: Context, { der = false }: { der?: boolean }): Promise<void> {
  const text = await withCa(context, {}, async (ca) => await ca.root())
  const root = new X509Certificate(text)
  if (context.json) {
    const content = der ? { base64: root.raw.toString("base64") } : { pem: text }
    context.output.result({ ...factsOfAuthority(root), ...content }, "")
  } else await context.output.bytes(der ? root.raw : Buffer.from(text))
}

export async function printBundle(context: Context): Promise<void> {
  const text = await withCa(context, {}, async (ca) => await ca.bundle())
  if (context.json) context.output.result({ pem: text }, "")
  else await context.output.bytes(Buffer.from(text))
}
