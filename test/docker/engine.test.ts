import assert from "node:assert/strict"
import { chmod, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { commonVersion, connectEngine } from "../../src/docker/engine.ts"
import { engineInfo } from "../../src/docker/info.ts"
import { statusOf } from "../../src/docker/refusal.ts"
import { cleanUp, docker } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { openEngine, startBabbler, startEngineProxy, startFakeEngine } from "./support.ts"

after(cleanUp)

test("negotiates a version with the engine, and every call carries it", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t)
  const engine = await openEngine(t, proxy.address)
  const newest = await docker(["version", "--format", "{{.Server.APIVersion}}"])
  assert.equal(engine.apiVersion, commonVersion(newest, ""))
  assert.deepEqual([engine.address, engine.isLocal, engine.transport], [proxy.address, true, "unix"])
  await engineInfo(engine, t.signal)
  assert.deepEqual(proxy.requests, ["GET /_ping", `GET /v${engine.apiVersion}/info`])
})

test("the version is the newest that both know, and the error for an older engine names it", async (t) => {
  assert.equal(commonVersion("1.41", "x"), "1.41")
  assert.equal(commonVersion("1.45", "x"), "1.45")
  assert.equal(commonVersion("1.52", "x"), "1.47")
  assert.equal(commonVersion("2.0", "x"), "1.47")
  const address = await startFakeEngine(t, (_, response) => response.end(), "1.40")
  await assert.rejects(openEngine(t, address), {
    code: "ERR_DOCKER",
    message: `the engine at ${address} speaks API 1.40, and 1.41 is needed`,
    hint: /20\.10/,
  })
})

test("one connection serves many calls, and is closed with the engine object", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t)
  const engine = await openEngine(t, proxy.address)
  for (let call = 0; call < 5; call++) await engineInfo(engine, t.signal)
  assert.equal(proxy.connections(), 1)
  await engine[Symbol.asyncDispose]()
  await proxy.idle()
})

test("a call on an idle connection that was cut meanwhile succeeds over a new one", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t)
  const engine = await openEngine(t, proxy.address)
  for (let call = 0; call < 10; call++) {
    proxy.cut()
    assert.equal((await engineInfo(engine, t.signal)).osType, "linux")
  }
})

test("if nothing listens, the hint says how to start an engine", async (t) => {
  const address = `unix://${join(await tempDir(t), "none.sock")}`
  await assert.rejects(openEngine(t, address), {
    code: "ERR_DOCKER_UNREACHABLE",
    hint: /systemctl start docker/,
  })
  const file = join(await tempDir(t), "file.sock")
  await writeFile(file, "")
  await assert.rejects(openEngine(t, `unix://${file}`), {
    code: "ERR_DOCKER_UNREACHABLE",
    hint: /is running there/,
  })
  await assert.rejects(openEngine(t, "tcp://127.0.0.1:9"), {
    code: "ERR_DOCKER_UNREACHABLE",
    hint: /no engine listens/,
  })
})

test("the hint for a socket without permission says how to get it", async (t) => {
  if (!(await requireService(t, "root", "linux"))) return
  const address = await startFakeEngine(t, (_, response) => response.end())
  await chmod(address.replace("unix://", ""), 0o600)
  const options = { host: address, env: {}, home: "/none", signal: t.signal }
  process.seteuid?.("nobody")
  try {
    await assert.rejects(connectEngine(options), {
      code: "ERR_DOCKER_UNREACHABLE",
      hint: /usermod -aG docker/,
    })
  } finally {
    process.seteuid?.(0)
  }
})

const babble: [claim: string, bytes: string | Uint8Array][] = [
  ["bytes other than HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["noise", Buffer.alloc(10_000, 0xfe)],
  ["HTTP without an API version", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"],
  ["an invalid API version", "HTTP/1.1 200 OK\r\nApi-Version: new\r\nContent-Length: 2\r\n\r\nOK"],
  ["another protocol", "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"],
  ["an error", "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n<h1>\x1b[2J"],
]
for (const [claim, bytes] of babble) {
  test(`a server that answers with ${claim} is not taken for an engine`, async (t) => {
    await assert.rejects(openEngine(t, await startBabbler(t, bytes)), (error: unknown) => {
      assert.ok(isPurserError(error, "ERR_DOCKER"), String(error))
      assert.ok(!error.message.includes("\x1b"))
      return true
    })
  })
}

test("a server that closes without an answer is unreachable", async (t) => {
  await assert.rejects(openEngine(t, await startBabbler(t, "")), { code: "ERR_DOCKER_UNREACHABLE" })
})

test("an abort ends the wait for a silent engine, with the abort's reason", async (t) => {
  const address = await startFakeEngine(t, () => {})
  const engine = await openEngine(t, address)
  const reason = new Error("enough")
  const controller = new AbortController()
  const call = engine.json({ path: "/info", signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(call, reason)
  await assert.rejects(engine.json({ path: "/info", signal: AbortSignal.abort(reason) }), reason)
})

test("an endless answer is cut at the limit, and so is an endless error", async (t) => {
  const address = await startFakeEngine(t, (request, response) => {
    response.statusCode = request.url?.endsWith("/bad") === true ? 500 : 200
    const part = Buffer.alloc(1024 * 1024, "[")
    const more = (): void => void (response.destroyed || response.write(part, more))
    more()
  })
  const engine = await openEngine(t, address)
  await assert.rejects(engine.json({ path: "/good", signal: t.signal }), { code: "ERR_LIMIT" })
  await assert.rejects(engine.json({ path: "/bad", signal: t.signal }), (error: unknown) => {
    assert.ok(isPurserError(error, "ERR_DOCKER"))
    assert.equal(statusOf(error), 500)
    return error.message.length < 1000
  })
})

test("an answer that is cut off or not JSON is an error without a status", async (t) => {
  const address = await startFakeEngine(t, (request, response) => {
    if (request.url?.endsWith("/cut") === true) {
      response.writeHead(200, { "content-length": "100" }).write("[")
      setImmediate(() => response.destroy())
    } else response.end("{]")
  })
  const engine = await openEngine(t, address)
  await assert.rejects(engine.json({ path: "/cut", signal: t.signal }), { code: "ERR_DOCKER_UNREACHABLE" })
  await assert.rejects(engine.json({ path: "/text", signal: t.signal }), (error: unknown) => {
    return isPurserError(error, "ERR_DOCKER") && statusOf(error) === undefined
  })
})

test("the error for a stream that a proxy blocks names a workaround", async (t) => {
  const address = await startFakeEngine(t, (_, response) => response.end("{}"))
  const engine = await openEngine(t, address)
  const hint = /--route pull/
  await assert.rejects(engine.upgrade({ path: "/exec/x/start", signal: t.signal }), {
    code: "ERR_DOCKER",
    hint,
  })
})

test("the engine's own message and status are in the error", async (t) => {
  const address = await startFakeEngine(t, (_, response) => {
    response.writeHead(418).end(JSON.stringify({ message: "I am a teapot \x1b[31m" }))
  })
  const engine = await openEngine(t, address)
  await assert.rejects(engine.json({ path: "/x", signal: t.signal }), (error: unknown) => {
    assert.ok(isPurserError(error, "ERR_DOCKER"))
    assert.equal(error.message, "the engine refused GET /x: I am a teapot \\x1b[31m")
    return statusOf(error) === 418
  })
})

test("a redirect is not followed", async (t) => {
  const address = await startFakeEngine(t, (_, response) =>
    response.writeHead(301, { location: "/info" }).end(),
  )
  const engine = await openEngine(t, address)
  await assert.rejects(engine.json({ path: "/x", signal: t.signal }), { code: "ERR_DOCKER" })
})

test("an engine over TCP without encryption has the transport tcp", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t, { host: "127.0.0.1" })
  const engine = await openEngine(t, proxy.address)
  assert.deepEqual([engine.transport, engine.isLocal], ["tcp", false])
  assert.equal((await engineInfo(engine, t.signal)).osType, "linux")
})

test("a connection that fails is closed", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t, { path: "/nowhere" })
  await assert.rejects(connectEngine({ host: proxy.address, env: {}, home: "/none", signal: t.signal }))
  await proxy.idle()
})
