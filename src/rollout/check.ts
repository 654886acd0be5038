import { isIP } from "node:net"
import { parseDuration } from "../base/duration.ts"
import { PurserError, isPurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { formatHostPort, splitHostPort } from "../base/net-address.ts"

/** Asks whether the new certificate is served: the leaf of a TLS connection is compared with the one that was written. */
export interface Check {
  /** Null: where the files were written, the container itself for one. */
  readonly host: string | null
  readonly port: number
  readonly serverName?: string
  /** Name of the file that holds the certificate. Default: `tls.crt`, else the first that holds one. */
  readonly file?: string
  readonly withinMs: number
}

const defaultWithinMs = 10_000
const maxWithinMs = 600_000
const serverForm = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/

/** `HOST:PORT` or `:PORT`, then `file=NAME`, `name=SERVERNAME`, `within=10s`. Throws `ERR_USAGE`. */
export function parseCheck(text: string): Check {
  const bad = (why: string): PurserError =>
    new PurserError("ERR_USAGE", `cannot read the check ${quote(text)}: ${why}`, {
      hint: "write HOST:PORT or :PORT, then file=NAME, name=SERVERNAME and within=10s as needed",
    })
  const [address = "", ...words] = text.trim().split(/\s+/)
  const split = splitHostPort(address)
  if (split === null || !split.port) throw bad("it does not begin with HOST:PORT or :PORT")
  const { host, port } = split
  if (host !== undefined && isIP(host) === 0 && !serverForm.test(host))
    throw bad(`${quote(host)} is no address`)
  const given = new Map<string, string>()
  for (const word of words) {
    const [, key, value] = /^(file|name|within)=(.+)$/.exec(word) ?? []
    if (key === undefined || value === undefined) throw bad(`there is no ${quote(word)}`)
    if (given.has(key)) throw bad(`${key}= stands there twice`)
    given.set(key, value)
  }
  const [file, serverName, within] = ["file", "name", "within"].map((key) => given.get(key))
  if (serverName !== undefined && !serverForm.test(serverName))
    throw bad(`${quote(serverName)} is not the name of a server`)
  if (serverName !== undefined && isIP(serverName) !== 0) throw bad("name= is a name, and no address")
  if (file !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._/-]{0,254}$/.test(file))
    throw bad(`${quote(file)} is not the name of a file line`)
  return {
    host: host ?? null,
    port,
    ...(file === undefined ? {} : { file }),
    ...(serverName === undefined ? {} : { serverName }),
    withinMs: within === undefined ? defaultWithinMs : withinOf(within, bad),
  }
}

function withinOf(text: string, bad: (why: string) => PurserError): number {
  const ms = parseDuration(text)
  if (ms >= 1 && ms <= maxWithinMs) return ms
  throw bad("within= is longer than ten minutes, or nothing")
}

/** {@link parseCheck} gives the check back. */
export function formatCheck({ host, port, file, serverName, withinMs }: Check): string {
  return [
    formatHostPort(host ?? "", port),
    ...(file === undefined ? [] : [`file=${file}`]),
    ...(serverName === undefined ? [] : [`name=${serverName}`]),
    ...(withinMs === defaultWithinMs ? [] : [`within=${withinMs}ms`]),
  ].join(" ")
}

export function isCheckFailure(error: unknown): error is PurserError {
  return isPurserError(error, "ERR_CHECK")
}
