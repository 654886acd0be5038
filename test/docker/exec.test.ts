import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { after, before, test } from "node:test"
import { Readable } from "node:stream"
import { followEvents } from "../../src/docker/events.ts"
import { execIn, type ExecOptions, type ExecResult } from "../../src/docker/exec.ts"
import type { Engine } from "../../src/docker/engine.ts"
import { shelllessImage, shellImage } from "../support/base-image.ts"
import { cleanUp, docker, labels, startContainer } from "../support/docker.ts"
import { requireService, type Service } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"
import { openEngine, startEngineProxy, startFakeEngine } from "./support.ts"
import type { TestContext } from "node:test"

const needed: readonly Service[] = ["docker", "busybox"]
let shared = ""

before(async () => {
  try {
    const image = await shellImage()
    shared = await docker(["run", "--detach", ...labels, "--user=1000:1001", image, "sleep", "600"])
  } catch {
    // Each test's requireService reports the reason.
  }
})
after(cleanUp)

async function exec(
  t: TestContext,
  command: readonly string[],
  options: Partial<ExecOptions> = {},
  id = shared,
): Promise<ExecResult> {
  return await execIn(await openEngine(t), id, { command, timeoutMs: 20_000, ...options }, t.signal)
}

const shell = (script: string): string[] => ["sh", "-c", script]

test("returns exit code, stdout and stderr of a program", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const { exitCode, stdout, stderr } = await exec(t, shell("echo out; echo err >&2; exit 42"))
  assert.deepEqual([exitCode, String(stdout), String(stderr)], [42, "out\n", "err\n"])
})

test("stdin arrives whole, and its end is seen", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const content = randomBytes(3_000_000)
  const maxOutputBytes = content.byteLength
  const { stdout } = await exec(t, ["cat"], { stdin: content, maxOutputBytes })
  assert.ok(stdout.equals(content))
  const parts = Readable.from([content.subarray(0, 10), content.subarray(10)])
  const streamed = await exec(t, ["cat"], { stdin: parts, maxOutputBytes })
  assert.ok(streamed.stdout.equals(content))
  assert.equal((await exec(t, ["wc", "-c"], { stdin: Buffer.alloc(0) })).stdout.toString().trim(), "0")
})

test("without stdin a program reads end of file at once", async (t) => {
  if (!(await requireService(t, ...needed))) return
  assert.deepEqual((await exec(t, ["cat"])).stdout, Buffer.alloc(0))
})

test("runs as the container's user, or as another", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const ids = shell("id -u; id -g")
  assert.equal(String((await exec(t, ids)).stdout), "1000\n1001\n")
  assert.equal(String((await exec(t, ids, { user: "0" })).stdout), "0\n0\n")
  assert.equal(String((await exec(t, ids, { user: "db:app" })).stdout), "999\n1000\n")
})

test("a program that does not read its input still returns its exit code", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const stdin = Buffer.alloc(20_000_000)
  for (let time = 0; time < 3; time++) assert.equal((await exec(t, shell("exit 7"), { stdin })).exitCode, 7)
})

test("the output of a program that cannot be started holds the reason, with exit code 126 or 127", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const missing = await exec(t, ["no-such-program"])
  assert.ok([126, 127].includes(missing.exitCode), String(missing.exitCode))
  assert.match(String(missing.stdout), /executable file not found/)
  const id = await startContainer(t, await shelllessImage(), ["node", "-e", "setInterval(() => {}, 1e6)"])
  const shellless = await exec(t, shell("true"), { stdin: Buffer.from("x") }, id)
  assert.ok([126, 127].includes(shellless.exitCode), String(shellless.exitCode))
})

test("output above the limit is ERR_LIMIT, also from an endless program", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const head = shell("head -c 1000 /dev/zero; head -c 1000 /dev/zero >&2")
  await assert.rejects(exec(t, head, { maxOutputBytes: 1999 }), { code: "ERR_LIMIT" })
  const { stdout, stderr } = await exec(t, head, { maxOutputBytes: 2000 })
  assert.deepEqual([stdout.byteLength, stderr.byteLength], [1000, 1000])
  await assert.rejects(exec(t, shell("exec timeout 5 yes")), { code: "ERR_LIMIT" })
})

test("the time limit ends the wait, and hints at a pause", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const stuck = exec(t, ["sleep", "30"], { timeoutMs: 300 })
  await assert.rejects(stuck, { code: "ERR_TIMEOUT", hint: /paused/ })
  const reader = new Readable({ read() {} })
  await assert.rejects(exec(t, ["cat"], { stdin: reader, timeoutMs: 300 }), { code: "ERR_TIMEOUT" })
  assert.ok(reader.destroyed, "the input is let go")
})

test("an abort ends the wait with its own reason", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const engine = await openEngine(t)
  const controller = new AbortController()
  const reason = new Error("enough")
  const stdin = new Readable({
    read() {
      controller.abort(reason)
    },
  })
  const options = { command: ["cat"], stdin, timeoutMs: 20_000 }
  await assert.rejects(execIn(engine, shared, options, controller.signal), reason)
})

test("a failing source of input fails the call", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const stdin = new Readable({
    read() {
      this.destroy(new Error("the disk is gone"))
    },
  })
  await assert.rejects(exec(t, ["cat"], { stdin }), /the disk is gone/)
})

test("paused, stopped and unknown containers have their own error codes", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  await docker(["pause", id])
  await assert.rejects(exec(t, ["true"], {}, id), { code: "ERR_CONTAINER_PAUSED", hint: /docker unpause/ })
  await docker(["unpause", id])
  await docker(["kill", id])
  await assert.rejects(exec(t, ["true"], {}, id), { code: "ERR_NOT_RUNNING" })
  const stdin = new Readable({ read() {} })
  await assert.rejects(exec(t, ["cat"], { stdin }, "purser-no-such"), { code: "ERR_NO_SUCH_CONTAINER" })
  assert.ok(stdin.destroyed, "the input is let go, though nothing has begun")
})

test("a pause while the program runs ends in the time limit, and later calls work", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  const reading = Promise.withResolvers<void>()
  const stdin = new Readable({ read: () => reading.resolve() })
  const stuck = exec(t, ["cat"], { stdin, timeoutMs: 1500 }, id)
  await reading.promise
  // The pause waits until the program runs, because a pause during its start hangs the engine itself.
  await waitFor("cat to run", async () => (await docker(["top", id, "-o", "pid,args"])).includes("cat"))
  await docker(["pause", id])
  await assert.rejects(stuck, { code: "ERR_TIMEOUT", hint: /paused/ })
  await docker(["unpause", id])
  assert.equal((await exec(t, ["true"], {}, id)).exitCode, 0)
})

test("a container that dies while the program runs ends the call", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  const engine = await openEngine(t)
  const started = Promise.withResolvers<void>()
  const stdin = new Readable({ read: () => started.resolve() })
  const running = execIn(engine, id, { command: ["cat"], stdin, timeoutMs: 20_000 }, t.signal)
  const ended = running.then(
    ({ exitCode }) => exitCode,
    (error: unknown) => error,
  )
  await started.promise
  await docker(["kill", id])
  stdin.destroy()
  assert.notEqual(await ended, 0)
})

test("stdin is neither in the exec's record nor in the engine's events", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const marker = `leak-${crypto.randomUUID()}`
  const proxy = await startEngineProxy(t)
  const engine = await openEngine(t, proxy.address)
  const events: string[] = []
  const isMine = ({ id, action }: { id: string; action: string }): boolean =>
    id === shared && action.startsWith("exec_")
  for await (const event of followEvents(engine, { types: ["container"], signal: t.signal })) {
    if (event.kind === "list") {
      const options = { command: ["cat"], stdin: Buffer.from(marker), timeoutMs: 20_000 }
      await execIn(engine, shared, options, t.signal)
    } else if (isMine(event)) {
      events.push(`${event.action} ${JSON.stringify(event.attributes)}`)
      // Ends of earlier programs are skipped, because the last second's events come again.
      if (event.action === "exec_die" && events.some((one) => one.startsWith("exec_start: cat"))) break
    }
  }
  const path = proxy.requests.map((line) => /GET \/v[\d.]+(\/exec\/\w+\/json)/.exec(line)?.[1]).find(Boolean)
  assert.ok(path !== undefined)
  const record = JSON.stringify(await engine.json({ path, signal: t.signal }))
  assert.match(events.join("\n"), /exec_start: cat/)
  assert.ok(!record.includes(marker) && !events.join("\n").includes(marker))
})

test("a stream without frames, or one that ends inside a frame, is an error", async (t) => {
  for (const [wire, code] of [
    ["plain text\n", "ERR_DOCKER"],
    ["\x01\0\0\0\0\0\0\x09cut", "ERR_DOCKER_UNREACHABLE"],
  ] as const) {
    const address = await startFakeEngine(
      t,
      (_, response) => response.end('{"Id":"e"}'),
      "1.41",
      (socket) => {
        socket.end(`HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n${wire}`)
      },
    )
    const engine: Engine = await openEngine(t, address)
    const options = { command: ["x"], timeoutMs: 5000 }
    await assert.rejects(execIn(engine, "c", options, t.signal), { code })
  }
})
