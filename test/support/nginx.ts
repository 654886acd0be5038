import { setTimeout as delay } from "node:timers/promises"
import { request, type RequestOptions } from "node:https"
import type { TestContext } from "node:test"
import { baseImage } from "./base-image.ts"
import { inspect, startContainer } from "./docker.ts"
import { waitFor } from "./wait.ts"

/** The real nginx in a container of its own, with TLS by the files that somebody puts into it. */

export interface Nginx {
  /** Full id. */
  readonly id: string
  /** Id of its image, `sha256:…`. */
  readonly image: string
  /** On the engine's bridge. */
  readonly address: string
}

export interface NginxOptions {
  /** Holds tls.crt, tls.key and ca.crt: nginx starts as soon as they are there. */
  readonly directory: string
  /** More lines of its server block. */
  readonly extra?: string
}

/** It keeps no log, answers `hello` on port 443, and is root's, as is what it reads. */
export async function startNginx(t: TestContext, { directory, extra = "" }: NginxOptions): Promise<Nginx> {
  const tag = await baseImage({ shell: true, programs: ["nginx"] })
  const config = `
user root;
worker_processes 2;
error_log /dev/stderr warn;
pid /run/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path /tmp/${kind};`).join(" ")}
  server {
    listen 443 ssl;
    ssl_certificate ${directory}/tls.crt;
    ssl_certificate_key ${directory}/tls.key;
    ${extra}
    location / { return 200 "hello\\n"; }
  }
}`
  const wait = ["tls.crt", "tls.key", "ca.crt"].map((name) => `[ -s ${directory}/${name} ]`).join(" && ")
  const command = `printf %s "$CONFIG" >/tmp/nginx.conf; until ${wait}; do sleep 0.05; done; exec nginx -e /dev/stderr -c /tmp/nginx.conf -g "daemon off;"`
  const options = ["--tmpfs=/run/secrets", "--tmpfs=/tmp", `--env=CONFIG=${config}`]
  const id = await startContainer(t, tag, ["sh", "-c", command], options)
  type Inspected = { Image: string; NetworkSettings: { IPAddress: string } }
  const { Image: image, NetworkSettings: network } = await inspect<Inspected>(id)
  return { id, image, address: network.IPAddress }
}

/** What it serves: status, body, and the certificate's fingerprint, by a connection of its own. */
export async function get(
  host: string,
  options: RequestOptions,
): Promise<{ status: number; body: string; serial: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number
    body: string
    serial: string
  }>()
  const asked = request({ host, port: 443, agent: false, timeout: 10_000, ...options }, (response) => {
    const { socket } = response as unknown as { socket: { getPeerCertificate(): { serialNumber: string } } }
    const serial = socket.getPeerCertificate().serialNumber.toLowerCase()
    let body = ""
    response.setEncoding("utf8").on("data", (part: string) => (body += part))
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body, serial })).on("error", reject)
  })
  asked.on("error", reject).on("timeout", () => asked.destroy(new Error("no answer in 10 s")))
  asked.end()
  return await promise
}

/** Requests without a pause, several at a time, each by a connection of its own. `stop` tells what came of them. */
export function load(t: TestContext, host: string, options: RequestOptions, parallel = 4) {
  const failures: string[] = []
  const serials = new Set<string>()
  let count = 0
  let ended = false
  const worker = async (): Promise<void> => {
    while (!ended) {
      try {
        const { status, serial } = await get(host, options)
        count++
        serials.add(serial)
        if (status !== 200) failures.push(`status ${status}`)
      } catch (error) {
        failures.push(String(error))
        // Or a server that is gone would be asked a million times.
        await delay(20)
      }
    }
  }
  const workers = Array.from({ length: parallel }, worker)
  t.after(() => {
    ended = true
  })
  return {
    count: () => count,
    async stop() {
      ended = true
      await Promise.all(workers)
      return { count, failures, serials }
    },
  }
}

export async function answers(host: string, options: RequestOptions): Promise<void> {
  await waitFor("nginx to answer", async () => (await get(host, options).catch(() => null))?.status === 200)
}
