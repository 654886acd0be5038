import assert from "node:assert/strict"
import { after, test } from "node:test"
import { Secret } from "../../../../src/base/secret.ts"
import { receiverScript } from "../../../../src/copy/routes/pull/receiver.ts"
import { serveOnce } from "../../../../src/copy/routes/pull/serve-once.ts"
import { PullServer } from "../../../../src/copy/routes/pull/server.ts"
import { purserError } from "../../../files/support.ts"
import { imageWith, opensslImage } from "../../../support/base-image.ts"
import { cleanUp, docker, labels } from "../../../support/docker.ts"
import { requireService } from "../../../support/services.ts"

/** Tests which requests get a body, and how often. */

after(cleanUp)

const { signal } = new AbortController()
const address = "127.0.0.1"

test("a body is sent once, and never without its path", async () => {
  await using server = await PullServer.open(address, signal)
  const offer = server.offer(Buffer.from("sealed"))
  assert.match(new URL(offer.url).pathname, /^\/[A-Za-z0-9_-]{43}$/)
  for (const wrong of ["/", "/x", `${new URL(offer.url).pathname}x`, `${new URL(offer.url).pathname}?`]) {
    assert.equal((await fetch(new URL(wrong, offer.url))).status, 404, wrong)
  }
  assert.equal((await fetch(offer.url, { method: "HEAD" })).status, 404)
  assert.equal((await fetch(offer.url, { method: "POST", body: "x" })).status, 404)
  assert.equal(offer.wasFetched(), false)
  const both = await Promise.all([fetch(offer.url), fetch(offer.url)])
  assert.deepEqual(
    both.map(({ status }) => status).sort((a, b) => a - b),
    [200, 404],
  )
  assert.equal(await both.find(({ ok }) => ok)?.text(), "sealed")
  await offer.done
  assert.equal(offer.wasFetched(), true)
  assert.equal((await fetch(offer.url)).status, 404)
})

test("an offer ends at its time limit and with its server", async () => {
  const server = await PullServer.open(address, signal)
  const short = server.offer(Buffer.from("sealed"), 20)
  await assert.rejects(short.done, purserError("ERR_TIMEOUT", /within 0\.02 s/))
  assert.equal((await fetch(short.url)).status, 404)
  const long = server.offer(Buffer.from("sealed"))
  await server[Symbol.asyncDispose]()
  await assert.rejects(long.done, purserError("ERR_INTERRUPTED", /was cancelled/))
  await assert.rejects(fetch(long.url))
})

test("an interrupted download is not served again", async () => {
  await using server = await PullServer.open(address, signal)
  const offer = server.offer(Buffer.alloc(64 * 1024 * 1024))
  const stop = new AbortController()
  await fetch(offer.url, { signal: stop.signal })
  stop.abort()
  await assert.rejects(offer.done, purserError("ERR_UNREACHABLE", /was interrupted/))
  assert.equal((await fetch(offer.url)).status, 404)
})

test("an address must be one to listen on and to download from", async () => {
  for (const wrong of ["0.0.0.0", "::", "[::]:80", "a b", "", "127.0.0.1:99999", "http://x"]) {
    await assert.rejects(PullServer.open(wrong, signal), purserError("ERR_ADDRESS", /address/), wrong)
  }
  await assert.rejects(PullServer.open("203.0.113.1", signal), purserError("ERR_LISTEN", /203\.0\.113\.1/))
  await assert.rejects(PullServer.open(address, AbortSignal.abort(new Error("given up"))), /given up/)
  await using server = await PullServer.open(`${address}:0`, signal)
  assert.match(server.offer(Buffer.alloc(0)).url, /^http:\/\/127\.0\.0\.1:[1-9]\d+\//)
})

test("the line of a one-time URL downloads the file once, if the image has the receiver", async (t) => {
  if (!(await requireService(t, "linux", "docker", "openssl"))) return
  const image = await imageWith(await opensslImage(), "pull-receiver", {
    "usr/local/bin/purser-receiver": receiverScript,
  })
  const content = new Secret("its content")
  await using served = await serveOnce({ content, path: "/run/it's here", mode: 0o400, signal })
  const flags = ["run", "--rm", "--interactive", ...labels, image, "sh"]
  const input = `${served.line} >&2 && cat "/run/it's here" && ls -l /run`
  const shown = await docker(flags, { input })
  assert.match(shown, /^its contenttotal \d+\n-r-------- .* it's here$/)
  await served.done
  await assert.rejects(docker(flags, { input }), /no fetch 1/)
})

test("waiting for a one-time URL can be cancelled", async () => {
  const stop = new AbortController()
  const content = new Secret("its content")
  await using served = await serveOnce({ content, path: "/x", mode: 0o400, address, signal: stop.signal })
  stop.abort(new Error("given up"))
  await assert.rejects(served.done, /given up/)
})
