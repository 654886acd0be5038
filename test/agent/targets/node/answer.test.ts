import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import type { Action } from "../../../../src/agent/actions/action.ts"
import { PurserError, isPurserError, type ErrorCode } from "../../../../src/base/errors.ts"
import type { AgentSession } from "../../../../src/node/session.ts"
import { home, startTestNode, TestCatalogue, type AgentSettings } from "../../../support/pair.ts"

/** What the agent answers: every failure is an answer, and the session goes on. */

/** One round with a node that does `steps`; what they return comes back. */
async function play<T>(
  t: TestContext,
  steps: (agent: AgentSession) => Promise<T>,
  settings: AgentSettings = {},
) {
  const place = await home(t)
  let result: T | undefined
  const node = await startTestNode(t, await place.enrol(), {
    async steps(agent) {
      result = await steps(agent)
    },
  })
  const agent = await place.agent({ nodes: [node.address], ...settings })
  const [delivery] = await agent.round()
  assert.equal(delivery?.status, "ok", delivery?.error?.message)
  return { result, agent, node, delivery, audit: await place.audit() }
}

const throws = async (code: ErrorCode, message: RegExp, work: Promise<unknown>): Promise<void> => {
  await assert.rejects(work, (error) => isPurserError(error, code) && message.test(error.message))
}

const never: Action = () => new Promise(() => {})

test("an action sees the node's name, pin and address, its app, and its parameters", async (t) => {
  const who: Action = async (parameters, { app, node }) => ({ parameters, app, node })
  const { result, node } = await play(t, (agent) => agent.ask("who", { csr: "…", deep: [{ a: 1 }] }), {
    app: { actions: ["who"] },
    actions: { who },
  })
  assert.deepEqual(result, {
    parameters: { csr: "…", deep: [{ a: 1 }] },
    app: "web",
    node: { name: "node-1", pin: node.node.pin, address: node.address },
  })
})

test("an action may read the app's secrets, and no other", async (t) => {
  const read: Action = async ({ name }, { secret }) => {
    const content = await secret(String(name))
    return content === null ? null : content.sizeBytes
  }
  await play(
    t,
    async (agent) => {
      assert.equal(await agent.ask("read", { name: "db-password" }), 9)
      await throws("ERR_NOT_GRANTED", /read/, agent.ask("read", { name: "tls.key" }))
    },
    {
      app: { actions: ["read"] },
      actions: { read },
      secrets: { "db-password": "swordfish", "tls.key": "another" },
    },
  )
})

const ungranted: [what: string, action: string][] = [
  ["that nobody granted", "sign"],
  ["that does not exist", "nothing"],
  ["with the name of a property of every object", "constructor"],
]
for (const [what, action] of ungranted) {
  test(`an action ${what} is denied and audited, and the session goes on`, async (t) => {
    const { audit } = await play(
      t,
      async (agent) => {
        await throws("ERR_NOT_GRANTED", new RegExp(action), agent.ask(action))
        assert.deepEqual((await agent.list()).secrets, [{ name: "db-password" }])
      },
      { app: { actions: ["constructor", "other"] }, actions: { sign: async () => "signed" } },
    )
    assert.deepEqual(
      audit.filter(({ kind }) => kind === "denied").map((line) => line["action"]),
      [action],
    )
  })
}

test("an action that throws is a failed answer without its words, and the session goes on", async (t) => {
  const { agent } = await play(
    t,
    async (session) => {
      await throws("ERR_ACTION", /failed at the agent/, session.ask("sign"))
      assert.equal((await session.file("db-password")).status, "sent")
    },
    {
      app: { actions: ["sign"] },
      actions: {
        sign: async () => {
          throw new Error("the key is at /home/me/ca.key")
        },
      },
    },
  )
  assert.match(agent.text(), /sign for web failed: the key is at/, "the agent's own log has them")
})

test("what an action says by a PurserError reaches the node", async (t) => {
  await play(t, (agent) => throws("ERR_ACTION", /the name is taken/, agent.ask("sign")), {
    app: { actions: ["sign"] },
    actions: {
      sign: () => Promise.reject(new PurserError("ERR_ACTION", "the name is taken")),
    },
  })
})

test("an action that throws before it returns a promise is an answer too", async (t) => {
  await play(t, (agent) => throws("ERR_ACTION", /failed/, agent.ask("sign")), {
    app: { actions: ["sign"] },
    actions: {
      sign: () => {
        throw new Error("at once")
      },
    },
  })
})

test("an action over its time is ended, whether it listens or not, and the session goes on", async (t) => {
  let told = false
  const listens: Action = (_parameters, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        told = true
        reject(new Error("stopped"))
      })
    })
  await play(
    t,
    async (agent) => {
      await throws("ERR_ACTION", /took longer than 100 ms/, agent.ask("never"))
      await throws("ERR_ACTION", /took longer than 100 ms/, agent.ask("listens"))
      assert.equal(await agent.ask("quick"), "done")
    },
    {
      app: { actions: ["never", "listens", "quick"] },
      actions: { never, listens, quick: async () => "done" },
      plan: { actionMs: 100 },
    },
  )
  assert.equal(told, true)
})

const results: [what: string, result: () => unknown, given: unknown][] = [
  ["nothing", () => undefined, null],
  ["a list", () => [1, "two", null], [1, "two", null]],
  ["text of 100 KB", () => "x".repeat(100_000), "x".repeat(100_000)],
]
for (const [what, result, given] of results) {
  test(`an action may return ${what}`, async (t) => {
    const played = await play(t, (agent) => agent.ask("give"), {
      app: { actions: ["give"] },
      actions: { give: async () => result() },
    })
    assert.deepEqual(played.result, given)
  })
}

const circular: Record<string, unknown> = {}
circular["self"] = circular
const tooMuch: [what: string, result: unknown, message: RegExp][] = [
  ["more than a body may have", "x".repeat(2 ** 20), /the limit is 1048576/],
  ["what JSON cannot hold", circular, /failed at the agent/],
  ["a number too large for JSON", 1n, /failed at the agent/],
]
for (const [what, result, message] of tooMuch) {
  test(`an action that returns ${what} is a failed answer, and the session goes on`, async (t) => {
    await play(
      t,
      async (agent) => {
        await throws("ERR_ACTION", message, agent.ask("give"))
        assert.equal((await agent.file("db-password")).status, "sent")
      },
      { app: { actions: ["give"] }, actions: { give: async () => result } },
    )
  })
}

test("the actions list and file cannot be replaced", async (t) => {
  const place = await home(t)
  await assert.rejects(place.agent({ actions: { file: never } }), /the action file is built in/)
})

test("list names what is granted, and nothing else that there is", async (t) => {
  const { result } = await play(t, (agent) => agent.list(), {
    app: { secrets: ["quotes/*", "missing"], actions: ["sign"] },
    secrets: { "quotes/a": "1", "quotes/b": "2", "db-password": "3" },
  })
  assert.deepEqual(result, {
    secrets: [{ name: "missing" }, { name: "quotes/a" }, { name: "quotes/b" }],
    actions: ["sign"],
  })
})

test("a secret over the limit is a failed answer, and the others are sent", async (t) => {
  const { agent } = await play(
    t,
    async (session) => {
      const [large, small] = await Promise.all([session.file("large"), session.file("db-password")])
      assert.deepEqual([large.status, small.status], ["failed", "sent"])
    },
    {
      app: { secrets: ["large", "db-password"] },
      secrets: { large: "x".repeat(1001), "db-password": "swordfish" },
      limits: { secretBytes: 1000 },
    },
  )
  assert.match(agent.text(), /large has 1001 bytes, the limit is 1000/)
})

test("a source that fails is a failed answer without its words, and the next one who asks has it tried again", async (t) => {
  const catalogue = new TestCatalogue({ "db-password": "swordfish" })
  let failures = 1
  catalogue.onRead = () => {
    if (failures-- > 0) throw new PurserError("ERR_SOURCE", "pass: gpg: no such key 0xDEADBEEF")
  }
  const { agent } = await play(
    t,
    async (session) => {
      const first = await session.file("db-password")
      assert.equal(first.status, "failed")
      assert.doesNotMatch(JSON.stringify(first), /DEADBEEF/)
      assert.equal((await session.file("db-password")).status, "sent")
    },
    { catalogue },
  )
  assert.match(agent.text(), /DEADBEEF/)
})

test("a secret that is missing at its source is answered so, and audited", async (t) => {
  const { result, audit, delivery } = await play(t, (agent) => agent.file("gone"), {
    app: { secrets: ["gone"] },
  })
  assert.equal(result?.status, "missing")
  assert.equal(delivery.missing, 1)
  assert.deepEqual(
    audit.filter(({ kind }) => kind === "missing").map(({ secret }) => secret),
    ["gone"],
  )
})

test("content is told apart in the audit log by a tag that is no plain digest", async (t) => {
  const { audit } = await play(t, async (agent) => {
    await agent.file("db-password")
    return await agent.file("db-password")
  })
  const tags = audit.filter(({ kind }) => kind === "delivered").map(({ content }) => String(content))
  assert.equal(tags.length, 2)
  assert.equal(tags[0], tags[1])
  const digest = "b9f195c5cc7ef6afadbfbc42892ad47d3b24c6bc94bb510c4564a90a14e8b799" // sha256sum of swordfish
  assert.ok(!tags[0]?.includes(digest))
})
