import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { cp, rm } from "node:fs/promises"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { connectEngine, type Engine } from "../../src/docker/engine.ts"
import { execIn } from "../../src/docker/exec.ts"
import { followEvents } from "../../src/docker/events.ts"
import { engineInfo } from "../../src/docker/info.ts"
import { shellImage } from "../support/base-image.ts"
import { cleanUp, startContainer } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { makeCertificates } from "./certificates.ts"
import { startEngineProxy, type EngineProxy } from "./support.ts"

after(cleanUp)

/** Starts a TLS proxy that asks for client certificates; `dir` holds its authority's certificates. */
async function startTls(t: TestContext): Promise<{ proxy: EngineProxy; dir: string }> {
  const dir = await tempDir(t)
  await makeCertificates(dir)
  return { proxy: await startEngineProxy(t, { host: "127.0.0.1", tls: dir }), dir }
}

async function open(t: TestContext, address: string, env: NodeJS.ProcessEnv): Promise<Engine> {
  const engine = await connectEngine({ host: address, env, home: "/none", signal: t.signal })
  t.after(() => engine[Symbol.asyncDispose]())
  return engine
}

test("over TLS with a client certificate all calls work, a half-closed stream included", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "openssl"))) return
  const { proxy, dir } = await startTls(t)
  const engine = await open(t, proxy.address, { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: dir })
  assert.deepEqual([engine.transport, engine.isLocal, engine.address], ["tls", false, proxy.address])
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  const stdin = randomBytes(500_000)
  const options = { command: ["cat"], stdin, timeoutMs: 20_000 }
  const { exitCode, stdout } = await execIn(engine, id, options, t.signal)
  assert.ok(exitCode === 0 && stdout.equals(stdin))
  for await (const { kind } of followEvents(engine, { signal: t.signal })) {
    assert.equal(kind, "list")
    break
  }
})

test("the server's certificate is verified for a host name and for an IP address", async (t) => {
  if (!(await requireService(t, "docker", "openssl"))) return
  const { proxy, dir } = await startTls(t)
  const env = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: dir }
  const named = proxy.address.replace("127.0.0.1", "localhost")
  assert.equal((await engineInfo(await open(t, named, env), t.signal)).osType, "linux")
  const wrong = await startEngineProxy(t, { host: "127.0.0.2", tls: dir })
  await assert.rejects(open(t, wrong.address, env), {
    code: "ERR_DOCKER_UNREACHABLE",
    message: /127\.0\.0\.2 is not in the cert's list/,
    hint: /ca\.pem/,
  })
})

test("a client without a certificate, with one of another authority, or without TLS is refused", async (t) => {
  if (!(await requireService(t, "docker", "openssl"))) return
  const { proxy, dir } = await startTls(t)
  const [none, other] = [await tempDir(t), await tempDir(t)]
  await cp(join(dir, "ca.pem"), join(none, "ca.pem"))
  await makeCertificates(other)
  await rm(join(other, "ca.pem"))
  await cp(join(dir, "ca.pem"), join(other, "ca.pem"))
  for (const certificates of [none, other]) {
    const env = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: certificates }
    await assert.rejects(open(t, proxy.address, env), { code: "ERR_DOCKER_UNREACHABLE", hint: /cert\.pem/ })
  }
  await assert.rejects(open(t, proxy.address, {}), {
    code: "ERR_DOCKER_UNREACHABLE",
    hint: /DOCKER_TLS_VERIFY/,
  })
  assert.deepEqual(proxy.requests, [])
})

test("a server of another authority is refused unless verification is off", async (t) => {
  if (!(await requireService(t, "docker", "openssl"))) return
  const { proxy, dir } = await startTls(t)
  const foreign = await tempDir(t)
  await makeCertificates(foreign)
  for (const file of ["cert.pem", "key.pem"]) await cp(join(dir, file), join(foreign, file))
  const strict = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: foreign }
  await assert.rejects(open(t, proxy.address, strict), { code: "ERR_DOCKER_UNREACHABLE" })
  const loose = await open(t, proxy.address, { DOCKER_TLS: "1", DOCKER_CERT_PATH: foreign })
  assert.equal((await engineInfo(loose, t.signal)).osType, "linux")
})
