import { spawn } from "node:child_process"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestContext } from "node:test"
import { Secret } from "../../../src/base/secret.ts"
import { sealBody, type SealedBody } from "../../../src/copy/routes/pull/envelope.ts"
import { orderGet, type Order } from "../../../src/copy/routes/pull/receiver.ts"

/** Runs the receiver of the route `pull` without the route, with orders and servers of the tests' own. */

export interface Ordered extends SealedBody {
  /** URLs to use in place of the sealed body's own. */
  readonly line: (url: string, extra?: Partial<Order>) => string
}

export async function ordered(path: string, content: string, containerId = "-"): Promise<Ordered> {
  const sealed = await sealBody({ content: new Secret(content), containerId, path, mode: "440" })
  const line = (url: string, extra: Partial<Order> = {}): string =>
    orderGet({
      number: 1,
      url,
      password: sealed.password,
      publicKey: sealed.publicKey,
      containerId,
      witness: containerId,
      path,
      mode: "440",
      owner: "-",
      requireTmpfs: true,
      ...extra,
    })
  return { ...sealed, line }
}

/** Answers every request with this body, any number of times. */
export async function serveAlways(t: TestContext, address: string, body: Uint8Array): Promise<string> {
  const server = createServer((_, response) => void response.end(body))
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once("error", reject).listen(0, address, resolve)
  await promise
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://${address}:${(server.address() as AddressInfo).port}/x`
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Sends the lines to a program and waits for its end. */
export async function tell(
  command: readonly string[],
  lines: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const [program = "", ...args] = command
  const child = spawn(program, args, { env: { ...process.env, ...env }, signal: AbortSignal.timeout(20_000) })
  const [stdout, stderr]: [string[], string[]] = [[], []]
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout.push(text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text))
  child.stdin.on("error", () => {}) // it may end without reading
  child.stdin.end(lines.map((line) => `${line}\n`).join(""))
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on("error", reject).on("close", resolve)
  const code = await promise
  return { code, stdout: stdout.join(""), stderr: stderr.join("") }
}

/** Returns a copy with one bit of the last byte flipped. */
export function flipped(body: Buffer): Buffer {
  const copy = Buffer.from(body)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
  return copy
}
