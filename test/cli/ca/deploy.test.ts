import assert from "node:assert/strict"
import { after, test, type TestContext } from "node:test"
import { nodeImage } from "../../support/base-image.ts"
import { cleanUp, docker, run, startContainer } from "../../support/docker.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"
import { caPlace } from "./place.ts"

after(cleanUp)

const needed = ["docker", "busybox"] as const
let made = 0

/** Serves what lies in /run/secrets by TLS at 8443, and reads it again on HUP; `deaf`: it does not read it again. */
const server = (deaf: boolean): string => `
  const { readFileSync, existsSync } = require("node:fs")
  const tls = require("node:tls")
  const read = () => ({ cert: readFileSync("/run/secrets/tls.crt"), key: readFileSync("/run/secrets/tls.key") })
  let server
  process.on("SIGHUP", () => {
    if (server) { if (!${deaf}) server.setSecureContext(read()) }
    else server = tls.createServer(read(), (socket) => socket.end()).listen(8443)
  })
  console.log("ready")
  setInterval(() => {}, 1000)
`

async function container(t: TestContext, deaf = false): Promise<string> {
  const name = `${run}-deploy-${++made}`
  const command = ["node", "-e", server(deaf)]
  await startContainer(t, await nodeImage(), command, [`--name=${name}`, "--tmpfs=/run/secrets"])
  await waitFor("the server", async () => (await docker(["logs", name])).includes("ready"))
  return name
}

test("deploy puts the set there, reloads, and sees that it is served", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const { ok, json } = await caPlace(t)
  const name = await container(t)
  await ok("issue", "www", "--dns", "shop.lan")
  const check = ["--reload", "HUP", "--check", ":8443", "--within", "5s"]
  const first = await ok("deploy", "www", `${name}:/run/secrets/`, ...check)
  assert.match(first, /^www: in \S+:\/run\/secrets\/, 3 written, reloaded, the new certificate is served\n$/)
  assert.match(await docker(["exec", name, "cat", "/run/secrets/tls.crt"]), /BEGIN CERTIFICATE/)
  await ok("renew", "www")
  const second = await json("deploy", "www", `${name}:/run/secrets/`, ...check)
  assert.equal(second["checked"], true)
  assert.deepEqual((second["written"] as string[]).toSorted(), [
    "/run/secrets/tls.crt",
    "/run/secrets/tls.key",
  ])
})

test("deploy puts the old set back where the new one is not served, and ends with 1", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const { ca, ok } = await caPlace(t)
  const name = await container(t, true)
  await ok("issue", "www", "--dns", "shop.lan")
  const check = ["--reload", "HUP", "--check", ":8443", "--within", "5s"]
  await ok("deploy", "www", `${name}:/run/secrets/`, ...check)
  const before = await docker(["exec", name, "cat", "/run/secrets/tls.crt"])
  await ok("renew", "www")
  const { code, stdout, stderr } = await ca(["deploy", "www", `${name}:/run/secrets/`, ...check])
  assert.deepEqual([code, stdout], [1, ""], stderr)
  assert.match(stderr, /the old files are back/)
  assert.equal(await docker(["exec", name, "cat", "/run/secrets/tls.crt"]), before)
})

test("deploy says what cannot be: no directory, no container, no key, a limit without a check", async (t) => {
  if (!(await requireService(t, "docker", "openssl"))) return
  const { ca, ok, csr } = await caPlace(t)
  await csr("api.csr", "DNS:api.lan")
  await ok("sign", "api.csr", "--name", "api")
  await ok("issue", "www", "--dns", "shop.lan")
  for (const [args, message, code] of [
    [["www", "web:/run/secrets"], /not a directory in a container\nhint: .*slash/, 2],
    [["www", ":/run/secrets/"], /not a directory in a container/, 2],
    [["www", `${run}-none:/run/secrets/`], /none/, 1],
    [["api", "web:/run/secrets/"], /the key of api|the key of "api" is kept elsewhere/, 1],
    [["www", "web:/run/secrets/", "--within", "3s"], /--within needs --check/, 2],
    [["www", "web:/run/secrets/", "--check", "443"], /cannot read the check/, 2],
    [["none", "web:/run/secrets/"], /there is no certificate/, 1],
  ] as const) {
    const result = await ca(["deploy", ...args])
    assert.deepEqual([result.code, result.stdout], [code, ""], result.stderr)
    assert.match(result.stderr, message)
  }
})
