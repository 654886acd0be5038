import { isIP } from "node:net"
import { parseDuration } from "../base/duration.ts"
import { PurserError, isPurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { formatHostPort, splitHostPort } from "../base/net-address.ts"

/** A check that the new certificate is served: compares the leaf of a TLS connection with the written one. */
export interface Check {
  /** The host to connect to. Null: the target of the files, such as the container. */
  readonly host: string | null
  readonly port: number
  readonly serverName?: string
  /** The name of the file that holds the certificate. Default: `tls.crt`, else the first file that holds one. */
  readonly file?: string
  readonly withinMs: number
}

const defaultWithinMs = 10_000
const maxWithinMs = 600_000
const serverForm = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/

/** Reads `HOST:PORT` or `:PORT`, then `file=NAME`, `name=SERVERNAME`, `within=10s`. Throws `ERR_USAGE`. */
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
    throw bad(`${quote(host)} is not an address`)
  const given = new Map<string, string>()
  for (const word of words) {
    const [, key, value] = /^(file|name|within)=(.+)$/.exec(word) ?? []
    if (key === undefined || value === undefined) throw bad(`unknown ${quote(word)}`)
    if (given.has(key)) throw bad(`${key}= is given twice`)
    given.set(key, value)
  }
  const [file, serverName, within] = ["file", "name", "within"].map((key) => given.get(key))
  if (serverName !== undefined && !serverForm.test(serverName))
    throw bad(`${quote(serverName)} is not a host name`)
  if (serverName !== undefined && isIP(serverName) !== 0) throw bad("name= is an IP address")
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
  throw bad("within= is not from 1ms to 10m")
}

/** Writes a check as text. {@link parseCheck} reads it back. */
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
