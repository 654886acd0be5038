import { formatHostPort, splitHostPort } from "../base/net-address.ts"
import { X509Certificate, createHash } from "node:crypto"
import { isIP } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { connect } from "node:tls"
import { parseDuration } from "../base/duration.ts"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { Secret } from "../base/secret.ts"
import { TimeLimit } from "../base/time-limit.ts"

/** Is the new certificate really served: opens TLS connections and compares the leaf with the one that was written. */
export interface Check {
  /** Null: where the files were written, the container itself for one. */
  readonly host: string | null
  readonly port: number
  readonly serverName?: string
  /** Name of the file that holds the certificate. Default: `tls.crt`, else the first that holds one. */
  readonly file?: string
  readonly withinMs: number
}

/** SHA-256 of a leaf's DER, in hexadecimal digits. */
export interface Leaf {
  readonly sha256: string
}

export interface NamedContent {
  readonly name: string
  readonly content: Secret
}

/** For a check without a host that is made on this machine. */
export const localHosts: readonly string[] = ["127.0.0.1", "::1"]

const defaultWithinMs = 10_000
const maxWithinMs = 600_000
const serverForm = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/
const connectMs = 5000
const pauseMs = 200

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

/** The first certificate of a file, PEM or DER; null where it holds none that can be read. */
export function leafIn(bytes: Buffer): Leaf | null {
  try {
    // It takes the first block, whatever text is around it; a file that holds a key first is read from its certificate on.
    const at = bytes.indexOf("-----BEGIN CERTIFICATE-----")
    const { raw } = new X509Certificate(at > 0 ? bytes.subarray(at) : bytes)
    return { sha256: sha256(raw) }
  } catch {
    return null
  }
}

/** What is to be served once these lie there. Throws `ERR_CHECK` when no file holds a certificate. */
export function leafAmong({ file }: Pick<Check, "file">, files: readonly NamedContent[]): Leaf {
  const asked =
    file === undefined ? files : files.filter(({ name }) => name === file || name.endsWith(`/${file}`))
  const isUsual = ({ name }: NamedContent): boolean => /(^|\/)tls\.crt$/.test(name)
  for (const { content } of [...asked.filter(isUsual), ...asked]) {
    const leaf = leafIn(content.reveal())
    if (leaf !== null) return leaf
  }
  throw new PurserError(
    "ERR_CHECK",
    file === undefined
      ? "nothing can be checked: none of the files holds a certificate"
      : `nothing can be checked: there is no certificate in ${quote(file)}`,
    { hint: "file=NAME of the check names the file with the certificate" },
  )
}

/**
 * Resolves when one of the addresses serves the certificate, and tries again until `withinMs`: a reload takes its
 * time, and workers of before may still answer. Throws `ERR_CHECK`, or the signal's reason.
 */
export async function checkServed(
  check: Check,
  expected: Leaf,
  hosts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { port, serverName, withinMs } = check
  const all = check.host === null ? hosts : [check.host]
  const found = new Map<string, string>()
  using limit = new TimeLimit(signal, withinMs)
  try {
    for (;;) {
      for (const host of all) {
        const name = serverName ?? (isIP(host) === 0 ? host : undefined)
        const served = await leafAt(host, port, name, limit.signal)
        if ("sha256" in served && served.sha256 === expected.sha256) return
        // What the end of the time limit cut off tells nothing new.
        if (!limit.signal.aborted || !found.has(host))
          found.set(host, "sha256" in served ? `serves ${short(served)}` : served.failed)
      }
      await delay(pauseMs, undefined, { signal: limit.signal })
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!limit.isOver) throw error
  }
  const seen = all.map((host) => `${formatHostPort(host, port)} ${found.get(host) ?? "was not asked"}`)
  throw new PurserError(
    "ERR_CHECK",
    `the certificate ${short(expected)} is not served after ${withinMs} ms: ${seen.join(", ")}`,
    {
      hint: "see the service's own log: a key that does not match, a reload that does nothing, another file",
    },
  )
}

export type ExpectedLeaves = readonly (readonly [Check, Leaf])[]

/** What each check has to find when it is these files that are served. Throws `ERR_CHECK`. */
export function leavesAmong(checks: readonly Check[], files: readonly NamedContent[]): ExpectedLeaves {
  return checks.map((check) => [check, leafAmong(check, files)])
}

/** {@link checkServed} for each, one after the other. */
export async function checkAll(
  expected: ExpectedLeaves,
  hosts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const [check, leaf] of expected) await checkServed(check, leaf, hosts, signal)
}

export function isCheckFailure(error: unknown): error is PurserError {
  return isPurserError(error, "ERR_CHECK")
}

/** One connection, never a resumed one: the handshake of a resumed session shows no certificate. */
async function leafAt(
  host: string,
  port: number,
  servername: string | undefined,
  signal: AbortSignal,
): Promise<Leaf | { failed: string }> {
  using limit = new TimeLimit(signal, connectMs)
  return await new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ...(servername === undefined ? {} : { servername }),
      // Who signed it is not the question.
      rejectUnauthorized: false,
      ALPNProtocols: ["h2", "http/1.1"],
    })
    const done = (result: Leaf | { failed: string }): void => {
      limit.signal.removeEventListener("abort", tooLong)
      socket.destroy()
      resolve(result)
    }
    const tooLong = (): void => done({ failed: "does not answer" })
    socket.once("secureConnect", () => {
      const { raw } = socket.getPeerCertificate() as { raw?: Buffer }
      done(raw === undefined ? { failed: "shows no certificate" } : { sha256: sha256(raw) })
    })
    socket.on("error", (error) =>
      done({ failed: `cannot be asked (${systemErrorCode(error) ?? reasonOf(error)})` }),
    )
    socket.once("close", () => done({ failed: "closed the connection" }))
    limit.signal.addEventListener("abort", tooLong, { once: true })
    if (limit.signal.aborted) tooLong()
  })
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

function short({ sha256: digits }: Leaf): string {
  return `sha256:${digits.slice(0, 16)}`
}
