import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { formatEnrolment } from "../../../../src/channel/enrolment.ts"
import { createToken } from "../../../../src/channel/enrolment.ts"
import { createIdentity } from "../../../../src/channel/identity.ts"
import { home, startTestNode, type AgentSettings, type Home } from "../../../support/pair.ts"
import { doneFrame, rawNode, type RawNodeSession } from "../../../support/raw.ts"

/** What an agent refuses to a node whose frames are written by hand, and that the other nodes go on. */

const marker = "swordfish-never-sent"

/** One round over the hand-written node and an honest one. */
async function play(
  t: TestContext,
  converse: (session: RawNodeSession) => Promise<void>,
  { at, ...settings }: AgentSettings & { at?: Home } = {},
) {
  const place = at ?? (await home(t))
  const enrolment = await place.enrolment()
  const raw = await rawNode(t, enrolment, converse)
  const good = await startTestNode(t, enrolment, { name: "good", files: ["db-password"] })
  const agent = await place.agent({
    secrets: { "db-password": marker },
    nodes: [raw.address, good.address],
    ...settings,
  })
  const deliveries = await agent.round()
  const delivery = deliveries.find(({ target }) => target === raw.address)
  assert.ok(delivery)
  assert.equal(
    deliveries.find(({ target }) => target === good.address)?.status,
    "ok",
    "the other node goes on",
  )
  assert.equal(await good.read("db-password"), marker)
  const audit = (await place.audit()).filter((line) => line["address"] === raw.address)
  return { raw, agent, delivery, audit, place }
}

const ask = (name: string): object => ({ type: "request", id: 1, action: "file", name, have: null })

const badNames: [what: string, name: string][] = [
  ["with a dot segment", "../db-password"],
  ["with a dot segment inside", "a/../db-password"],
  ["with a leading slash", "/etc/passwd"],
  ["with a NUL", "db-password\0"],
  ["of 300 characters", "a".repeat(300)],
  ["outside the grants", "tls.key"],
  ["that is a grant's pattern", "*"],
  ["with terminal escapes", "\u001b[2Jdb-password"],
]
for (const [what, name] of badNames) {
  test(`a name ${what} is denied and audited, nothing is sent, and the session goes on`, async (t) => {
    const { raw, delivery, audit, agent } = await play(
      t,
      async ({ greet, write, next }) => {
        assert.equal((await greet())["type"], "welcome")
        await write(ask(name))
        assert.deepEqual(await next(), { type: "answer", id: 1, status: "denied" })
        await write({ ...ask("db-password"), id: 2 })
        assert.equal((await next())["status"], "sent")
        await next()
        await write(doneFrame)
      },
      { secrets: { "db-password": marker, "tls.key": "another" } },
    )
    assert.equal(delivery.status, "ok")
    assert.equal(raw.received.length, 4, "welcome, denied, sent and its chunk")
    assert.deepEqual(
      audit.filter(({ kind }) => kind === "denied").map(({ secret, app }) => [app, secret]),
      [["web", name]],
    )
    assert.ok(agent.events.some((event) => event.type === "file" && event.status === "denied"))
    assert.doesNotMatch(agent.text(), /(?!\n)\p{Cc}/u)
    assert.match(agent.text(), /is not granted to web/)
  })
}

for (const [what, name] of badNames.filter(([, bad]) => bad !== "tls.key")) {
  test(`a name ${what} is denied to an app that is granted everything, though a source would have it`, async (t) => {
    const { raw } = await play(
      t,
      async ({ greet, write, next }) => {
        await greet()
        await write(ask(name))
        await next()
        await write(doneFrame)
      },
      { app: { secrets: ["*"] }, secrets: { "db-password": marker, [name]: marker } },
    )
    assert.equal(raw.received.at(-1)?.["status"], "denied")
  })
}

const liars: [what: string, reason: RegExp, changes: (place: Home) => Record<string, unknown>][] = [
  ["claims another app", /claims to be of the app "db"/, () => ({ app: "db" })],
  ["shows no proof", /it has no token/, () => ({ proof: null })],
  ["shows a wrong proof", /wrong, revoked or too old/, () => ({ proof: "A".repeat(43) })],
]
for (const [what, reason, changes] of liars) {
  test(`a node that ${what} is refused and audited, and gets nothing`, async (t) => {
    const at = await home(t)
    await at.enrol("db")
    const { raw, delivery, audit } = await play(
      t,
      async ({ greet, next, signal }) => {
        assert.deepEqual(await greet(changes(at)), { type: "refused" })
        await assert.rejects(next(), "and the agent hangs up")
        assert.ok(signal)
      },
      { at },
    )
    assert.equal(delivery.status, "refused")
    assert.equal(delivery.error?.code, "ERR_UNTRUSTED")
    assert.match(delivery.error.message, reason)
    assert.equal(raw.received.length, 1)
    assert.deepEqual(
      audit.map(({ kind }) => kind),
      ["rejected"],
    )
  })
}

test("a proof for another connection is worth nothing", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrolment()
  let stolen: unknown
  const first = await rawNode(t, enrolment, async ({ hello }) => void (stolen = hello()["proof"]))
  const second = await rawNode(t, enrolment, async ({ greet }) => void (await greet({ proof: stolen })))
  const agent = await place.agent({ nodes: [first.address] })
  await agent.round()
  await agent.agent.replacePlan(agent.plan({ nodes: [second.address] }))
  const [delivery] = await agent.round()
  assert.equal(typeof stolen, "string")
  assert.equal(delivery?.status, "refused")
  assert.deepEqual(second.received, [{ type: "refused" }])
})

test("a node that says its name with terminal escapes is refused, and they reach no terminal", async (t) => {
  const { delivery, raw, agent, audit } = await play(t, async ({ greet }) => {
    await greet({ node: "\u001b]0;owned\u0007" }).catch(() => {})
  })
  assert.deepEqual(
    audit.map(({ kind, pin }) => [kind, pin]),
    [["rejected", raw.identity.pin]],
  )
  assert.equal(delivery.error?.code, "ERR_PROTOCOL")
  assert.deepEqual(raw.received, [])
  assert.doesNotMatch(agent.text() + JSON.stringify(delivery), /owned/)
})

const tokens: [what: string, spoil: (place: Home) => Promise<void>][] = [
  ["a revoked token", (place) => place.withState(({ state }) => void state.tokens.revoke("web"))],
  ["a token past its overlap", (place) => place.withState(({ state }) => void state.tokens.rotate("web", 0))],
]
for (const [what, spoil] of tokens) {
  test(`a node with ${what} is refused`, async (t) => {
    const place = await home(t)
    const node = await startTestNode(t, await place.enrol())
    await spoil(place)
    const agent = await place.agent({ nodes: [node.address] })
    const ended = node.nextSession()
    const [delivery] = await agent.round()
    assert.equal(delivery?.status, "refused")
    assert.match(String(await ended), /the agent refused this node/)
    await assert.rejects(node.read("db-password"), { code: "ENOENT" })
  })
}

test("a token is still good within its overlap", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol())
  await place.withState(({ state }) => void state.tokens.rotate("web", 60_000))
  const agent = await place.agent({ nodes: [node.address] })
  assert.equal((await agent.round())[0]?.status, "ok")
})

test("a node with a token of its own making is refused", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrolment()
  const node = await startTestNode(t, formatEnrolment({ ...enrolment, token: createToken() }))
  const agent = await place.agent({ nodes: [node.address] })
  const [delivery] = await agent.round()
  assert.equal(delivery?.status, "refused")
  assert.match(delivery.error?.hint ?? "", /purser enrol web/)
})

test("with pinned, a node that is not on the list is turned away before its first frame, and audited", async (t) => {
  const place = await home(t)
  const { agentPins } = await place.enrolment()
  const identity = createIdentity()
  const listed = await startTestNode(t, { app: "web", agentPins }, { identity })
  const other = await rawNode(t, { app: "web", agentPins }, async ({ greet }) => void (await greet()))
  const agent = await place.agent({
    nodes: [listed.address, other.address],
    app: { trust: { mode: "pinned", pins: [identity.pin] } },
  })
  const deliveries = await agent.round()
  const status = new Map(deliveries.map((delivery) => [delivery.target, delivery.status]))
  assert.equal(status.get(listed.address), "ok")
  assert.equal(status.get(other.address), "refused")
  assert.deepEqual(other.received, [])
  const lines = (await place.audit()).filter(({ address }) => address === other.address)
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ["rejected"],
  )
})

const outOfOrder: [what: string, frames: object[], code: string][] = [
  ["asks before it says hello", [ask("db-password")], "ERR_PROTOCOL"],
  ["says done before hello", [doneFrame], "ERR_PROTOCOL"],
  ["sends an answer", [{ type: "answer", id: 1, status: "match" }], "ERR_PROTOCOL"],
]
for (const [what, frames, code] of outOfOrder) {
  test(`a node that ${what} is cut off`, async (t) => {
    const { delivery, raw } = await play(t, async ({ write, next }) => {
      for (const frame of frames) await write(frame)
      await next().catch(() => {})
    })
    assert.equal(delivery.error?.code, code)
    assert.equal(delivery.status, "failed")
    assert.deepEqual(raw.received, [])
  })
}

const afterWelcome: [what: string, frame: object][] = [
  ["says hello twice", { type: "hello", protocol: "purser/1" }],
  ["sends a chunk", { type: "chunk", id: 1, index: 0, data: "AAAA" }],
  ["sends a frame without a type", { id: 1 }],
  ["asks with an id that is none", { ...ask("db-password"), id: 0 }],
  ["asks with a digest that is none", { ...ask("db-password"), have: "sha256:short" }],
]
for (const [what, frame] of afterWelcome) {
  test(`a node that ${what} after the welcome is cut off, and nothing is sent`, async (t) => {
    const { delivery, raw } = await play(t, async ({ greet, write, next }) => {
      await greet()
      await write(frame)
      await next().catch(() => {})
    })
    assert.equal(delivery.error?.code, "ERR_PROTOCOL")
    assert.equal(raw.received.length, 1)
  })
}

test("a node that hangs up without done has failed", async (t) => {
  const { delivery, audit } = await play(t, async ({ greet, write, next, channel }) => {
    await greet()
    await write(ask("db-password"))
    await next()
    channel.socket.destroy()
  })
  assert.equal(delivery.status, "failed")
  assert.equal(delivery.error?.code, "ERR_UNREACHABLE")
  assert.deepEqual(
    audit.map(({ kind }) => kind),
    ["delivered", "session"],
  )
})

test("a node that says nothing is given up after the frame's time", async (t) => {
  const { delivery } = await play(t, async ({ next }) => void (await next().catch(() => {})), {
    limits: { frameMs: 200 },
  })
  assert.equal(delivery.error?.code, "ERR_TIMEOUT")
})

test("a node that is silent after the welcome is given up after the session's time", async (t) => {
  const { delivery } = await play(
    t,
    async ({ greet, next }) => {
      await greet()
      await next().catch(() => {})
    },
    { limits: { sessionMs: 400 } },
  )
  assert.equal(delivery.error?.code, "ERR_TIMEOUT")
})

test("a byte now and then after the welcome does not hold a session beyond the frame's time", async (t) => {
  const { delivery } = await play(
    t,
    async ({ greet, channel, signal }) => {
      await greet()
      const trickle = setInterval(() => channel.socket.write("{"), 50)
      try {
        await new Promise((resolve) => signal.addEventListener("abort", resolve))
      } finally {
        clearInterval(trickle)
      }
    },
    { limits: { frameMs: 300, sessionMs: 60_000 } },
  )
  assert.equal(delivery.error?.code, "ERR_TIMEOUT")
  assert.ok(delivery.durationMs < 5000)
})

test("one request more than the limit is cut off, and the limit itself is not", async (t) => {
  const three = async ({ greet, write, next }: RawNodeSession, count: number): Promise<void> => {
    await greet()
    for (let id = 1; id <= count; id++) {
      await write({ ...ask("nothing"), id })
      await next().catch(() => {})
    }
    await write(doneFrame).catch(() => {})
  }
  const good = await play(t, (session) => three(session, 2), { limits: { requests: 2 } })
  assert.equal(good.delivery.status, "ok")
  const bad = await play(t, (session) => three(session, 3), { limits: { requests: 2 } })
  assert.equal(bad.delivery.error?.code, "ERR_LIMIT")
  assert.equal(bad.raw.received.length, 3, "the welcome and two answers")
})

test("a node that says that it failed has failed, with its own words escaped", async (t) => {
  const { delivery } = await play(t, async ({ greet, write }) => {
    await greet()
    await write({ ...doneFrame, status: "failed", message: "no space left" })
  })
  assert.equal(delivery.status, "failed")
  assert.match(delivery.error?.message ?? "", /the node says that it failed: no space left/)
})

test("requests may be sent before the answers to earlier ones came, and are answered in order", async (t) => {
  const { raw } = await play(t, async ({ greet, write, next }) => {
    await greet()
    await Promise.all([1, 2, 3].map((id) => write({ ...ask(id === 2 ? "nothing" : "db-password"), id })))
    for (let frames = 0; frames < 5; frames++) await next()
    await write(doneFrame)
  })
  assert.deepEqual(
    raw.received.slice(1).map(({ type, id, status }) => [type, id, status ?? null]),
    [
      ["answer", 1, "sent"],
      ["chunk", 1, null],
      ["answer", 2, "denied"],
      ["answer", 3, "sent"],
      ["chunk", 3, null],
    ],
  )
})
