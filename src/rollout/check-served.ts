import { isIP } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { connect } from "node:tls"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { formatHostPort } from "../base/net-address.ts"
import { TimeLimit } from "../base/time-limit.ts"
import type { Check } from "./check.ts"
import { leafOf, type ExpectedLeaves, type Leaf } from "./leaf.ts"

/** The hosts for a check without a host on this machine. */
export const localHosts: readonly string[] = ["127.0.0.1", "::1"]

const connectMs = 5000
const pauseMs = 200

/**
 * Resolves when one of the hosts serves the certificate. Retries until `withinMs`, because a reload takes time and old
 * workers may still answer. Throws `ERR_CHECK`, or the signal's reason.
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
        // A connection that the time limit aborted does not replace an earlier result.
        if (!limit.signal.aborted || !found.has(host))
          found.set(host, "sha256" in served ? `serves ${short(served)}` : served.failed)
      }
      await delay(pauseMs, undefined, { signal: limit.signal })
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!limit.isOver) throw error
  }
  const seen = all.map((host) => `${formatHostPort(host, port)} ${found.get(host) ?? "was not tried"}`)
  throw new PurserError(
    "ERR_CHECK",
    `the certificate ${short(expected)} is not served after ${withinMs} ms: ${seen.join(", ")}`,
    {
      hint: "see the service's log: wrong key, reload without effect, or another file",
    },
  )
}

/** Runs {@link checkServed} for each check, one after the other. */
export async function checkAll(
  expected: ExpectedLeaves,
  hosts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const [check, leaf] of expected) await checkServed(check, leaf, hosts, signal)
}

/** Makes one connection, never a resumed one, because the handshake of a resumed session shows no certificate. */
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
      // The check compares the leaf only, so its issuer need not be trusted here.
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
      done(raw === undefined ? { failed: "shows no certificate" } : leafOf(raw))
    })
    socket.on("error", (error) => done({ failed: `failed (${systemErrorCode(error) ?? reasonOf(error)})` }))
    socket.once("close", () => done({ failed: "closed the connection" }))
    limit.signal.addEventListener("abort", tooLong, { once: true })
    if (limit.signal.aborted) tooLong()
  })
}

function short({ sha256: digits }: Leaf): string {
  return `sha256:${digits.slice(0, 16)}`
}
