import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { after, test } from "node:test"
import { reloadContainer } from "../../src/copy/reload.ts"
import { inspectContainer } from "../../src/docker/containers.ts"
import { parseReload } from "../../src/rollout/reload.ts"
import { purserError } from "../files/support.ts"
import { shellImage, shelllessImage } from "../support/base-image.ts"
import { cleanUp, docker, startContainer } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"
import { openEngine } from "./support.ts"

after(cleanUp)

const { signal } = new AbortController()
/** A program that prints each signal it receives. */
const listening = ["sh", "-c", "trap 'echo heard' HUP; echo ready; while :; do sleep 1 & wait; done"]

test("a signal reaches the container's first process", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), listening)
  await waitFor("the trap", async () => (await docker(["logs", id])) === "ready")
  const container = await inspectContainer(engine, id, signal)
  await reloadContainer(engine, container, parseReload("HUP"), signal)
  await waitFor("the signal", async () => (await docker(["logs", id])).includes("heard"))
})

test("a command runs in the container, and its output stays there", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), ["sleep", "600"], ["--user=app"])
  const container = await inspectContainer(engine, id, signal)
  const reload = (text: string) => reloadContainer(engine, container, parseReload(text), signal)
  await reload("exec:id -u >/tmp/ran; echo 'it'\"'\"'s fine'")
  assert.equal(await docker(["exec", id, "cat", "/tmp/ran"]), "1000")
  await assert.rejects(reload("exec:echo hidden-word; exit 3"), (error: unknown) => {
    assert.ok(purserError("ERR_RELOAD", /the reload exec:.* failed: it ended with exit code 3$/)(error))
    return true
  })
  const bare = await startContainer(t, await shelllessImage(), [
    "/usr/local/bin/node",
    "-e",
    "setInterval(() => {}, 1e9)",
  ])
  await assert.rejects(
    reloadContainer(engine, await inspectContainer(engine, bare, signal), parseReload("exec:true"), signal),
    purserError("ERR_RELOAD", /failed: sh cannot be started in it/),
  )
})

test("a restart is waited for", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), ["sleep", "600"], ["--stop-timeout=0"])
  const before = await inspectContainer(engine, id, signal)
  await reloadContainer(engine, before, parseReload("restart"), signal)
  const { state } = await inspectContainer(engine, id, signal)
  assert.ok(state.running)
  assert.notEqual(state.startedAt, before.state.startedAt)

  await t.test("and a container that was restarted by another program is not reloaded", async () => {
    for (const text of ["HUP", "restart", "exec:true"])
      await assert.rejects(
        reloadContainer(engine, before, parseReload(text), signal),
        purserError("ERR_RELOAD", /has stopped or was restarted meanwhile/),
      )
  })
})

test("a container that is paused, stopped or removed is not reloaded", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  const container = await inspectContainer(engine, id, signal)
  const reload = () => reloadContainer(engine, container, parseReload("HUP"), signal)
  await docker(["pause", id])
  await assert.rejects(reload(), purserError("ERR_RELOAD", /failed: it is paused/))
  await docker(["unpause", id])
  await docker(["kill", id])
  await assert.rejects(reload(), purserError("ERR_RELOAD", /has stopped/))
  await docker(["rm", id])
  await assert.rejects(reload(), purserError("ERR_RELOAD", /no such container/i))
})

test("an http reload is a POST from here, which must be answered with 2xx", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const methods: string[] = []
  const server = createServer((request, response) => {
    methods.push(`${request.method} ${request.url}`)
    response.writeHead(request.url === "/good" ? 204 : 500).end()
  })
  t.after(() => server.close())
  await once(server.listen(0, "127.0.0.1"), "listening")
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  const container = await inspectContainer(engine, id, signal)
  await reloadContainer(engine, container, parseReload(`${url}/good`), signal)
  await assert.rejects(
    reloadContainer(engine, container, parseReload(`${url}/bad`), signal),
    purserError("ERR_RELOAD", /answered with 500/),
  )
  assert.deepEqual(methods, ["POST /good", "POST /bad"])
})

test("an interruption ends a reload that hangs", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  const container = await inspectContainer(engine, id, signal)
  const controller = new AbortController()
  const reloading = reloadContainer(
    engine,
    container,
    parseReload("exec:touch /tmp/on; sleep 60"),
    controller.signal,
  )
  const ended = assert.rejects(reloading, { name: "AbortError" })
  await waitFor("the command", async () => (await docker(["exec", id, "ls", "/tmp"])) === "on")
  controller.abort()
  await ended
})
