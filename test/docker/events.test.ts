import assert from "node:assert/strict"
import { after, test, type TestContext } from "node:test"
import type { Engine } from "../../src/docker/engine.ts"
import { followEvents, type EngineEvent } from "../../src/docker/events.ts"
import { shellImage } from "../support/base-image.ts"
import { cleanUp, docker, labels, run, startContainer } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"
import { openEngine, startEngineProxy, startFakeEngine } from "./support.ts"

after(cleanUp)

interface Follower {
  /** The events so far, as `list` or `create NAME`, only of volumes with this test's prefix. */
  readonly seen: string[]
  readonly all: EngineEvent[]
  readonly lost: unknown[]
  /** Resolves with the number of `list`s. */
  lists(atLeast: number): Promise<number>
  has(text: string): Promise<unknown>
  stop(): Promise<void>
}

function follow(
  t: TestContext,
  engine: Engine,
  prefix: string,
  types: readonly string[] = ["volume"],
): Follower {
  const controller = new AbortController()
  const [seen, all, lost]: [string[], EngineEvent[], unknown[]] = [[], [], []]
  const reading = (async () => {
    const options = { types, signal: controller.signal, onLost: (error: unknown) => lost.push(error) }
    for await (const event of followEvents(engine, options)) {
      all.push(event)
      if (event.kind === "list") seen.push("list")
      else if (event.id.startsWith(prefix)) seen.push(`${event.action} ${event.id.slice(prefix.length)}`)
    }
  })()
  const count = (): number => seen.filter((text) => text === "list").length
  const stop = async (): Promise<void> => {
    controller.abort()
    await reading
  }
  t.after(stop)
  return {
    seen,
    all,
    lost,
    lists: (atLeast) => waitFor(`${atLeast} lists`, () => (count() >= atLeast ? count() : 0)),
    has: (text) => waitFor(`${text} in ${seen.join(", ")}`, () => seen.includes(text)),
    stop,
  }
}

const createVolume = (name: string): Promise<string> => docker(["volume", "create", ...labels, name])

test("a list comes first, then events with their type, action, id, attributes and time", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const follower = follow(t, await openEngine(t), "", ["container"])
  await follower.lists(1)
  assert.deepEqual(follower.all[0], { kind: "list" })
  const before = BigInt(Date.now() - 5000) * 1_000_000n
  const name = `${run}-event`
  const id = await startContainer(t, await shellImage(), ["sleep", "600"], [`--name=${name}`, "--label=x=y"])
  await follower.has(`start ${id}`)
  const start = follower.all.find(
    (event) => event.kind === "event" && event.action === "start" && event.id === id,
  )
  assert.ok(start?.kind === "event")
  assert.deepEqual([start.type, start.attributes["name"], start.attributes["x"]], ["container", name, "y"])
  assert.ok(start.timeNano > before && start.timeNano % 1000n !== 0n, "nanoseconds are whole")
  await docker(["kill", id])
  await follower.has(`die ${id}`)
  assert.ok(follower.all.every((event) => event.kind === "list" || event.type === "container"))
})

test("an event right after the list is not missed", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  for (let time = 0; time < 5; time++) {
    const prefix = `${run}-moment${time}-`
    const follower = follow(t, engine, prefix)
    await follower.lists(1)
    await createVolume(`${prefix}a`)
    await follower.has("create a")
    await follower.stop()
  }
})

test("after a cut connection a list comes first, no event is missed, and none is repeated", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t)
  const prefix = `${run}-cut-`
  const follower = follow(t, await openEngine(t, proxy.address), prefix)
  await follower.lists(1)
  await createVolume(`${prefix}1`)
  await follower.has("create 1")

  proxy.refuse(true)
  proxy.cut()
  await createVolume(`${prefix}2`)
  await waitFor("a lost connection", () => follower.lost.length > 0)
  await createVolume(`${prefix}3`)
  proxy.refuse(false)
  await follower.lists(2)
  await createVolume(`${prefix}4`)
  await follower.has("create 4")
  assert.deepEqual(follower.seen, ["list", "create 1", "list", "create 2", "create 3", "create 4"])
})

test("with connections cut again and again, each event comes once and in order", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t)
  const prefix = `${run}-again-`
  const follower = follow(t, await openEngine(t, proxy.address), prefix)
  await follower.lists(1)
  const names = Array.from({ length: 24 }, (_, index) => String(index))
  for (const [index, name] of names.entries()) {
    await createVolume(prefix + name)
    if (index % 8 !== 3) continue
    await follower.lists((index + 5) / 8) // a cut while it is away would be none
    proxy.cut()
  }
  await follower.has(`create ${names.at(-1)}`)
  assert.deepEqual(
    follower.seen.filter((text) => text !== "list"),
    names.map((name) => `create ${name}`),
  )
  assert.equal(follower.lost.length, 3)
})

test("a slow reader misses no event", async (t) => {
  const lines = Array.from({ length: 3000 }, (_, index) => eventLine(index, "v".repeat(500)))
  const written = Promise.withResolvers<void>()
  const address = await startFakeEngine(t, (request, response) => {
    if (request.url?.includes("/events") !== true) return void response.end()
    response.write(lines.join(""), () => written.resolve())
  })
  const engine = await openEngine(t, address)
  const ids: string[] = []
  for await (const event of followEvents(engine, { signal: t.signal })) {
    await written.promise // with the reader standing at its first event
    if (event.kind === "event") ids.push(event.id)
    if (ids.length === lines.length) break
  }
  assert.deepEqual(
    ids,
    lines.map((_, index) => String(index)),
  )
})

function eventLine(index: number, id?: string): string {
  const actor = { ID: String(index), Attributes: id === undefined ? {} : { name: id } }
  const text = JSON.stringify({ Type: "volume", Action: "create", Actor: actor, time: 1 })
  return `${text.slice(0, -1)},"timeNano":${1_790_000_000_000_000_000n + BigInt(index)}}\n`
}

test("an engine that answers garbage, errors or nothing is retried with back-off, and each loss is reported", async (t) => {
  const answers = [
    (end: (text: string, status?: number) => void) => end("not an event\n"),
    (end: (text: string, status?: number) => void) => end('{"message":"busy"}', 500),
    (end: (text: string, status?: number) => void) => end(""),
  ]
  const tries: string[] = []
  const address = await startFakeEngine(t, (request, response) => {
    if (request.url?.includes("/events") !== true) return void response.end()
    tries.push(request.url)
    const answer = answers.shift()
    if (answer === undefined) response.write(eventLine(1))
    else answer((text, status = 200) => void response.writeHead(status).end(text))
  })
  const engine = await openEngine(t, address)
  const delays: number[] = []
  const onLost = (error: unknown, retryInMs: number): void => {
    assert.ok(error instanceof Error)
    delays.push(retryInMs)
  }
  for await (const event of followEvents(engine, { signal: t.signal, onLost })) {
    if (event.kind === "event") break
  }
  assert.equal(tries.length, 4)
  assert.ok(delays.length === 3 && (delays[2] ?? 0) > (delays[0] ?? 0), delays.join(" "))
})

test("an abort ends the iteration, and leaving it closes the connection", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const proxy = await startEngineProxy(t)
  const engine = await openEngine(t, proxy.address)
  const controller = new AbortController()
  for await (const { kind } of followEvents(engine, { signal: controller.signal })) {
    assert.equal(kind, "list")
    controller.abort()
  }
  for await (const { kind } of followEvents(engine, { signal: t.signal })) {
    assert.equal(kind, "list")
    break
  }
  for await (const _ of followEvents(engine, { signal: AbortSignal.abort() }))
    assert.fail("nothing was asked for")
  await engine[Symbol.asyncDispose]()
  await proxy.idle()
})
