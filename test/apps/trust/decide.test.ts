import assert from "node:assert/strict"
import { test } from "node:test"
import { resolveTrust } from "../../../src/apps/trust/entry.ts"
import { trustNames } from "../../../src/apps/trust/kinds.ts"
import { createIdentity } from "../../../src/channel/identity.ts"
import { aliveMs, judge } from "./support.ts"

for (const trust of trustNames) {
  test(`${trust}: a node that claims another app is refused, whatever else it has`, async (t) => {
    const identity = createIdentity()
    const { ask, state, audit } = await judge(t, { trust: resolveTrust({ trust, pins: [identity.pin] }) })
    state.approvals.request("web", identity.pin, "a:1", "node-1")
    state.approvals.decide(identity.pin, "approved")
    const token = state.tokens.current("web")
    await ask({ identity, token })
    const before = (await audit()).length
    await assert.rejects(ask({ identity, token, hello: { app: "db" } }), {
      code: "ERR_UNTRUSTED",
      message: /it claims to be of the app "db", not of web$/,
    })
    const lines = (await audit()).slice(before)
    assert.deepEqual(
      lines.map(({ kind, app }) => [kind, app]),
      [["rejected", "web"]],
    )
  })

  test(`${trust}: a node with an invalid name is refused, and its name is shown escaped`, async (t) => {
    const identity = createIdentity()
    const { ask, state, audit } = await judge(t, { trust: resolveTrust({ trust, pins: [identity.pin] }) })
    const node = "\u001b[2J\u001b]0;owned\u0007"
    await assert.rejects(
      ask({ identity, token: state.tokens.current("web"), hello: { node } }),
      (error: Error) => {
        assert.doesNotMatch(error.message, /\p{Cc}/u)
        assert.ok(error.message.includes(String.raw`"\x1b[2J\x1b]0;owned\x07"`))
        return true
      },
    )
    assert.equal((await audit()).at(-1)?.["node"], node)
  })
}

test("another node at a known address replaces the old one, with a line in the audit log", async (t) => {
  const { ask, state, audit } = await judge(t, { maxNodes: 1 })
  const token = state.tokens.current("web")
  const [old, fresh] = [createIdentity(), createIdentity()]
  await ask({ token, identity: old })
  await ask({ token, identity: old })
  assert.deepEqual(await audit(), [])
  await ask({ token, identity: fresh })
  assert.deepEqual(
    (await audit()).map(({ kind, address, pin, replaces }) => ({ kind, address, pin, replaces })),
    [{ kind: "trust", address: "203.0.113.7:39898", pin: fresh.pin, replaces: old.pin }],
  )
  assert.equal(state.nodes.pinAt("web", "203.0.113.7:39898"), fresh.pin)
})

test("a node without a proof is not counted", async (t) => {
  const { ask, state } = await judge(t)
  const token = state.tokens.current("web")
  const old = createIdentity()
  await ask({ token, identity: old })
  await assert.rejects(ask({}))
  await assert.rejects(ask({ address: "203.0.113.8:39898" }))
  assert.equal(state.nodes.pinAt("web", "203.0.113.7:39898"), old.pin)
  assert.equal(state.nodes.countKnown("web"), 1)
})

for (const trust of trustNames) {
  test(`${trust}: one node too many is refused with an alert, until another is no longer alive`, async (t) => {
    const identities = [1, 2, 3].map(() => createIdentity())
    const { ask, state, audit, clock, said } = await judge(t, {
      trust: resolveTrust({ trust, pins: identities.map(({ pin }) => pin) }),
      maxNodes: 2,
    })
    const token = state.tokens.current("web")
    for (const { pin } of identities) state.approvals.request("web", pin, "a:1", "node-1")
    for (const { pin } of identities) state.approvals.decide(pin, "approved")
    const visit = (index: number): Promise<void> =>
      ask({ identity: identities[index] ?? createIdentity(), token, address: `203.0.113.${index}:1` })
    await visit(0)
    clock.now += aliveMs / 2
    await visit(1)
    await assert.rejects(visit(2), {
      code: "ERR_UNTRUSTED",
      message: "refused 203.0.113.2:1: web has 2 nodes alive already, and max_nodes is 2",
      hint: /raise max_nodes/,
    })
    assert.deepEqual(
      (await audit()).map(({ kind, address, reason }) => [kind, address, reason]),
      [
        ["alert", "203.0.113.2:1", "max_nodes"],
        ["rejected", "203.0.113.2:1", "web has 2 nodes alive already, and max_nodes is 2"],
      ],
    )
    assert.match(said(), /alert: one node too many at 203\.0\.113\.2:1/)
    await visit(0)
    await visit(1)
    clock.now += aliveMs / 2
    await visit(1)
    clock.now += aliveMs / 2
    await visit(2)
    await assert.rejects(visit(0), { code: "ERR_UNTRUSTED" })
  })
}

test("concurrent nodes cannot exceed the limit", async (t) => {
  const { ask, state, audit } = await judge(t, { maxNodes: 5 })
  const token = state.tokens.current("web")
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) => ask({ token, address: `203.0.113.${index}:1` })),
  )
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 5)
  assert.equal(state.nodes.countKnown("web"), 5)
  const kinds = Object.groupBy(await audit(), ({ kind }) => String(kind))
  assert.equal(kinds["alert"]?.length, 45)
  assert.equal(kinds["rejected"]?.length, 45)
})

test("many nodes of one app do not count for another", async (t) => {
  const { ask, state } = await judge(t, { maxNodes: 1 })
  state.nodes.record({
    app: "db",
    address: "203.0.113.1:1",
    pin: createIdentity().pin,
    name: "a",
    state: "ok",
    error: null,
  })
  await ask({ token: state.tokens.current("web") })
})

test("a decision that cannot be written to the audit log is an error", async (t) => {
  const { ask, state } = await judge(t)
  const token = state.tokens.current("web")
  await ask({ token })
  state.auditHead.update = () => {
    throw new Error("disk is full")
  }
  await assert.rejects(ask({ token }), { code: "ERR_STATE" })
  await assert.rejects(ask({}), { code: "ERR_STATE" })
})
