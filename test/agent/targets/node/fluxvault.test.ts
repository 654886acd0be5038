import assert from "node:assert/strict"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { createServer, type AddressInfo, type Socket } from "node:net"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import type { AppConfig } from "../../../../src/apps/config.ts"
import { Secret } from "../../../../src/base/secret.ts"
import { AllowList } from "../../../../src/channel/allow-list.ts"
import { resolveLimits } from "../../../../src/channel/limits.ts"
import { parseFileLines } from "../../../../src/files/file-line.ts"
import { filesStep } from "../../../../src/node/files-step.ts"
import { createFluxvaultNode } from "../../../../src/node/fluxvault.ts"
import { encrypt, originalNode, scriptedNode } from "../../../support/fluxvault-peer.ts"
import { home, TestCatalogue, type AgentSettings } from "../../../support/pair.ts"
import { tempDir } from "../../../support/temp.ts"
import { waitFor } from "../../../support/wait.ts"
import { ended } from "../../../support/ended.ts"

/** Our agent, and nodes that are FluxVault's own or worse. */

type App = Partial<AppConfig>

async function stage(t: TestContext) {
  const place = await home(t)
  return {
    audit: () => place.audit(),
    withState: <T>(work: Parameters<typeof place.withState<T>>[0]) => place.withState(work),
    agentFor: (
      nodes: readonly { address: string }[],
      secrets: Record<string, string>,
      app: App = {},
      more: AgentSettings = {},
    ) =>
      place.agent({
        secrets,
        nodes: nodes.map(({ address }) => address),
        app: { protocol: "fluxvault", trust: { mode: "discovered" }, secrets: Object.keys(secrets), ...app },
        ...more,
      }),
  }
}

const { sessions: recorded } = JSON.parse(
  readFileSync(new URL("../../../vectors/fluxvault-v1.json", import.meta.url), "utf8"),
) as {
  sessions: {
    agent_files: Record<string, string>
    node_files_before: Record<string, string>
    node_files_after: Record<string, string>
    requested: string[]
    decrypted_after_key_exchange: { from: string; message: Record<string, unknown> }[]
  }[]
}

for (const [index, session] of recorded.entries()) {
  test(`in the recorded session ${index + 1} our agent says word for word what the original said`, async (t) => {
    const { agentFor } = await stage(t)
    const said: unknown[] = []
    const messages = session.decrypted_after_key_exchange.slice(2)
    const node = await scriptedNode(t, async ({ send, readline, wire }) => {
      for (const { from, message } of messages) {
        if (from === "node") send(message)
        else said.push(await readline())
      }
      assert.equal(await wire.readline(), undefined)
    })
    const agent = await agentFor([node], session.agent_files, { secrets: session.requested })
    const done = node.nextSession()
    const [delivery] = await agent.round()
    assert.equal(delivery?.status, "ok", delivery?.error?.message)
    assert.equal(await done, true)
    assert.deepEqual(
      said,
      messages.filter(({ from }) => from === "agent").map(({ message }) => message),
    )
  })

  test(`after the recorded session ${index + 1} a node served by our agent has what it had then`, async (t) => {
    const { agentFor } = await stage(t)
    const node = await originalNode(t, session.requested, { files: session.node_files_before })
    const agent = await agentFor([node], session.agent_files, { secrets: session.requested })
    await agent.round()
    assert.deepEqual(Object.fromEntries(node.files), session.node_files_after)
  })
}

test("what was delivered, matched and missing is counted, told and audited, and the lines say fluxvault", async (t) => {
  const { agentFor, audit } = await stage(t)
  const node = await originalNode(t, ["a", "b", "gone"], { files: { b: "2" } })
  const agent = await agentFor([node], { a: "1", b: "2" }, { secrets: ["a", "b", "gone"] })
  const [delivery] = await agent.round()
  assert.deepEqual([delivery?.status, delivery?.sent, delivery?.matched, delivery?.missing], ["ok", 1, 1, 1])
  assert.deepEqual(
    agent.events.filter((event) => event.type === "file").map(({ secret, status }) => [secret, status]),
    [
      ["a", "sent"],
      ["b", "match"],
      ["gone", "missing"],
    ],
  )
  const lines = await audit()
  assert.deepEqual(
    lines.map(({ kind, protocol, app, address, secret }) => [kind, protocol, app, address, secret]),
    [
      ["delivered", "fluxvault", "web", node.address, "a"],
      ["missing", "fluxvault", "web", node.address, "gone"],
      ["session", "fluxvault", "web", node.address, undefined],
    ],
  )
})

test("names outside the grants, and ways out of them, get nothing but FileNotFound and a line each", async (t) => {
  const { agentFor, audit } = await stage(t)
  const names = [
    "other",
    "../a",
    "/etc/passwd",
    "a/../other",
    "A",
    "a\u0000",
    "..",
    ".env",
    "*",
    "x/*",
    "\u001b[2J",
  ]
  const node = await originalNode(t, names)
  const agent = await agentFor([node], { a: "1", other: "2" }, { secrets: ["a", "x/*"] })
  await agent.round()
  assert.deepEqual(
    node.answers.map(({ Status, Body }) => [Status, Body]),
    names.map(() => ["FileNotFound", ""]),
  )
  const denied = (await audit()).filter(({ kind }) => kind === "denied")
  assert.deepEqual(
    denied.map(({ secret }) => secret),
    names,
  )
  assert.deepEqual(agent.catalogue.reads, new Map())
  assert.equal(agent.text().includes("\u001b"), false)
})

test("a grant with as: is asked for by that name, and audited by both", async (t) => {
  const { agentFor, audit } = await stage(t)
  const node = await originalNode(t, [".env"])
  const app = { secrets: ["dot-env"], aliases: [{ secret: "dot-env", as: ".env" }] }
  const agent = await agentFor([node], { "dot-env": "A=1\n" }, app)
  await agent.round()
  assert.equal(node.files.get(".env"), "A=1\n")
  const [line] = await audit()
  assert.deepEqual([line?.["kind"], line?.["secret"], line?.["as"]], ["delivered", "dot-env", ".env"])
})

test("what is not UTF-8 text is FileNotFound, and log and audit say why without a byte of it", async (t) => {
  const { agentFor, audit } = await stage(t)
  class Bytes extends TestCatalogue {
    override async read(): Promise<Secret> {
      return new Secret(Buffer.from([0x6b, 0x65, 0x79, 0xff]))
    }
  }
  const node = await originalNode(t, ["key.p12"])
  const agent = await agentFor([node], {}, { secrets: ["key.p12"] }, { catalogue: new Bytes({}) })
  const [delivery] = await agent.round()
  assert.deepEqual([delivery?.status, delivery?.missing], ["ok", 1])
  assert.deepEqual(node.answers[0]?.["Status"], "FileNotFound")
  assert.match(agent.text(), /warn: key\.p12 is not sent to web: it is not UTF-8 text, .*\nhint: /)
  const [line] = await audit()
  assert.equal(line?.["kind"], "failed")
  assert.match(String(line?.["reason"]), /not UTF-8 text/)
})

test("a source that fails, and a secret over the limit, are FileNotFound, and the log says why", async (t) => {
  const { agentFor, audit } = await stage(t)
  const node = await originalNode(t, ["large", "broken"])
  const agent = await agentFor(
    [node],
    { large: "x".repeat(2000), broken: "" },
    {},
    { limits: { secretBytes: 1000 } },
  )
  agent.catalogue.onRead = (name) => {
    if (name === "broken") throw new Error("no such device")
  }
  await agent.round()
  assert.deepEqual(
    node.answers.map(({ Status }) => Status),
    ["FileNotFound", "FileNotFound"],
  )
  assert.match(agent.text(), /large has 2000 bytes, the limit is 1000/)
  assert.match(agent.text(), /no such device/)
  assert.deepEqual(
    (await audit()).map(({ kind }) => kind),
    ["failed", "failed", "session"],
  )
})

test("a large secret goes in one line, and its quotes and newlines with it", async (t) => {
  const { agentFor } = await stage(t)
  const content = 'ä"\\\n\u0001'.repeat(50_000)
  const node = await originalNode(t, ["a"])
  const agent = await agentFor([node], { a: content })
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal(node.files.get("a") === content, true)
})

test("a node that writes byte by byte is understood", async (t) => {
  const { agentFor } = await stage(t)
  let last = Promise.resolve()
  const send = (socket: Socket, text: string): void => {
    last = last.then(async () => {
      for (const byte of text) {
        socket.write(byte)
        await new Promise(setImmediate)
      }
    })
  }
  const node = await originalNode(t, ["a", "b"], { send })
  const agent = await agentFor([node], { a: "1", b: "2" })
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.deepEqual(Object.fromEntries(node.files), { a: "1", b: "2" })
})

test("a node that asks for everything at once, with its DONE behind it, gets the answers in their order", async (t) => {
  const { agentFor } = await stage(t)
  const said: unknown[] = []
  const node = await scriptedNode(t, async ({ wire, sessionKey, readline }) => {
    const messages = ["b", "a"].map((name) => ({ State: "REQUEST", FILE: name, crc32: 0 }))
    const all = [...messages, { State: "DONE" }].map((message) =>
      JSON.stringify(encrypt(sessionKey, message)),
    )
    wire.socket.write(all.join(""))
    said.push(...[await readline(), await readline()].map(({ FILE, Body }) => [FILE, Body]))
  })
  const agent = await agentFor([node], { a: "1", b: "2" })
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.deepEqual(said, [
    ["b", "2"],
    ["a", "1"],
  ])
})

test("a node that goes away before DONE is a delivery that failed, and is tried again", async (t) => {
  const { agentFor, audit } = await stage(t)
  let sessions = 0
  const node = await scriptedNode(t, async ({ send, readline, wire }) => {
    send({ State: "REQUEST", FILE: "a", crc32: 0 })
    await readline()
    if (sessions++ === 0) return
    send({ State: "DONE" })
    await wire.readline()
  })
  const agent = await agentFor([node], { a: "1" })
  agent.run()
  const failed = await agent.event((event) => event.type === "delivery" && event.status === "failed")
  assert.match(JSON.stringify(failed), /"ERR_UNREACHABLE"/)
  await agent.event((event) => event.type === "delivery" && event.status === "ok")
  const kinds = (await audit()).map(({ kind, status }) => [kind, status])
  assert.deepEqual(kinds.slice(0, 2), [
    ["delivered", undefined],
    ["session", "failed"],
  ])
})

const breaches: [what: string, says: (sessionKey: Buffer) => string, code: string][] = [
  ["asks for something that is no file", (key) => sealed(key, { State: "CSR" }), "ERR_PROTOCOL"],
  [
    "sends back an answer",
    (key) => sealed(key, { State: "DATA", FILE: "a", Status: "Success" }),
    "ERR_PROTOCOL",
  ],
  ["sends a message under another key", () => sealed(Buffer.alloc(32), { State: "DONE" }), "ERR_PROTOCOL"],
  ["asks in clear", () => JSON.stringify({ State: "REQUEST", FILE: "a", crc32: 0 }), "ERR_PROTOCOL"],
  ["sends more than 8192 bytes", () => `{"nonce":"${"0".repeat(8192)}"`, "ERR_LIMIT"],
  ["sends what is no object", () => "220 ready\r\n", "ERR_PROTOCOL"],
  ["goes away in the middle of a message", () => '{"nonce":"', "ERR_UNREACHABLE"],
]
const sealed = (key: Buffer, message: Record<string, unknown>): string =>
  JSON.stringify(encrypt(key, message))
for (const [what, says, code] of breaches) {
  test(`a node that ${what} is left without a byte`, async (t) => {
    const { agentFor, audit } = await stage(t)
    const node = await scriptedNode(t, async ({ wire, sessionKey }) => {
      wire.socket.write(says(sessionKey))
      if (code === "ERR_UNREACHABLE") return
      assert.equal(await wire.readline(), undefined)
    })
    const agent = await agentFor([node], { a: "1" })
    const ended = node.nextSession()
    const [delivery] = await agent.round()
    assert.deepEqual([delivery?.status, delivery?.error?.code], ["failed", code])
    assert.equal(await ended, true, "it got no word")
    assert.deepEqual(
      (await audit()).map(({ kind, status, error }) => [kind, status, error]),
      [["session", "failed", code]],
    )
  })
}

for (const [bytes, isTaken] of [
  [8192, true],
  [8193, false],
] as const) {
  test(`a request of ${bytes} bytes is ${isTaken ? "taken" : "refused"}`, async (t) => {
    const { agentFor } = await stage(t)
    const said: unknown[] = []
    const node = await scriptedNode(t, async ({ wire, sessionKey, readline }) => {
      const text = sealed(sessionKey, { State: "REQUEST", FILE: "a", crc32: 0 })
      wire.socket.write(`${text.slice(0, -1).padEnd(bytes - 1)}}`)
      if (!isTaken) return assert.equal(await wire.readline(), undefined)
      said.push((await readline())["Body"])
      wire.socket.write(sealed(sessionKey, { State: "DONE" }))
      await wire.readline()
    })
    const agent = await agentFor([node], { a: "1" })
    const [delivery] = await agent.round()
    assert.deepEqual([delivery?.error?.code, said], isTaken ? [undefined, ["1"]] : ["ERR_LIMIT", []])
  })
}

test("a node that is silent after the key exchange is given up when the session's time is up", async (t) => {
  const { agentFor } = await stage(t)
  const node = await scriptedNode(t, async ({ wire }) => void (await wire.readline()))
  const agent = await agentFor([node], { a: "1" }, {}, { limits: { sessionMs: 500 } })
  assert.equal((await agent.round())[0]?.error?.code, "ERR_TIMEOUT")
})

test("a node that asks and reads nothing is given up", async (t) => {
  const { agentFor } = await stage(t)
  const node = await scriptedNode(t, async ({ wire, send }) => {
    wire.socket.pause()
    send({ State: "REQUEST", FILE: "a", crc32: 0 })
    await ended(wire.socket)
  })
  const secretBytes = 16 * 1024 * 1024
  const secrets = { a: "x".repeat(secretBytes) }
  const agent = await agentFor([node], secrets, {}, { limits: { frameMs: 500, secretBytes } })
  const [delivery] = await agent.round()
  assert.equal(delivery?.error?.code, "ERR_TIMEOUT")
  assert.match(delivery?.error?.message ?? "", /read nothing for 500 ms/)
})

test("more requests than the limit end the session", async (t) => {
  const { agentFor } = await stage(t)
  const node = await originalNode(t, ["a", "a", "a"])
  const agent = await agentFor([node], { a: "1" }, {}, { limits: { requests: 2 } })
  assert.equal((await agent.round())[0]?.error?.code, "ERR_LIMIT")
})

/** Answers each connection with this, and nothing more. */
async function responder(t: TestContext, greeting: string): Promise<{ address: string; received: Buffer[] }> {
  const received: Buffer[] = []
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on("data", (part: Buffer) => received.push(part)).on("error", () => {})
    if (greeting === "close") socket.end()
    else socket.write(greeting)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, received }
}

const strangers: [what: string, greeting: string, code: string, message: RegExp][] = [
  ["another program", "SSH-2.0-OpenSSH_9.9\r\n", "ERR_PROTOCOL", /not JSON/],
  ["a node without a key", '{"State":"KEYSENT"}', "ERR_PROTOCOL", /is not a FluxVault node/],
  ["one that closes at once", "close", "ERR_UNREACHABLE", /connection was lost before the first frame/],
  ["one that says nothing", " ", "ERR_TIMEOUT", /did not finish a key exchange within 300 ms/],
]
for (const [what, greeting, code, message] of strangers) {
  test(`${what} at the address gets not a byte, and the delivery says what is wrong`, async (t) => {
    const { agentFor, audit } = await stage(t)
    const stranger = await responder(t, greeting)
    const agent = await agentFor([stranger], { a: "1" }, {}, { limits: { handshakeMs: 300 } })
    const [delivery] = await agent.round()
    assert.equal(delivery?.error?.code, code)
    assert.match(delivery?.error?.message ?? "", message)
    assert.deepEqual(stranger.received, [])
    assert.deepEqual(
      (await audit().catch(() => [])).map(({ kind, protocol }) => [kind, protocol]),
      code === "ERR_PROTOCOL" ? [["rejected", "fluxvault"]] : [],
    )
  })
}

test("one node more than max_nodes gets nothing and raises an alert, though all come at once", async (t) => {
  const { agentFor, audit } = await stage(t)
  const nodes = await Promise.all([1, 2, 3].map(() => originalNode(t, ["a"])))
  const agent = await agentFor(nodes, { a: "1" }, { maxNodes: 2 })
  const deliveries = await agent.round()
  assert.deepEqual(deliveries.map(({ status }) => status).toSorted(), ["ok", "ok", "refused"])
  assert.equal(nodes.filter(({ files }) => files.has("a")).length, 2)
  const kinds = (await audit()).map(({ kind }) => kind)
  assert.deepEqual(
    ["alert", "rejected", "delivered"].map((kind) => kinds.filter((one) => one === kind).length),
    [1, 1, 2],
  )
  const again = await agent.round()
  assert.equal(again.filter(({ status }) => status === "ok").length, 2, "known nodes keep their places")
})

test("the agent warns at its start that the nodes are not authenticated, and knows them by their address", async (t) => {
  const { agentFor, withState } = await stage(t)
  const node = await originalNode(t, ["a"])
  const agent = await agentFor([node], { a: "1" })
  await agent.round()
  assert.match(
    agent.text(),
    /warn: web speaks FluxVault's protocol: its nodes are not authenticated, and whoever answers at an address can read/,
  )
  await agent[Symbol.asyncDispose]()
  const known = await withState(({ state }) => state.nodes.list("web"))
  assert.deepEqual(
    known.map(({ address, name, pin, state }) => [address, name, pin, state]),
    [[node.address, "fluxvault", "", "ok"]],
  )
})

test("our agent serves our node by this protocol too, empty files and all", async (t) => {
  const { agentFor } = await stage(t)
  const directory = join(await tempDir(t), "secrets")
  const files = { a: "ä€\u{1f511}\n", empty: "", large: "x".repeat(1024 * 1024) }
  const sessions: unknown[] = []
  const step = filesStep({
    directory,
    files: parseFileLines("a\nempty\nlarge"),
    runReload: async () => {},
    log: { debug() {}, info() {}, warn() {}, error() {} },
  })
  const node = createFluxvaultNode({
    directory,
    step,
    allow: AllowList.parse(["127.0.0.1"]),
    limits: resolveLimits(),
    log: { debug() {}, info() {}, warn() {}, error() {} },
    onSession: (error) => sessions.push(error),
  })
  t.after(() => node.close())
  const { port } = await node.listen({ host: "127.0.0.1", port: 0 })
  const agent = await agentFor([{ address: `127.0.0.1:${port}` }], files)
  const [first] = await agent.round()
  assert.deepEqual([first?.status, first?.sent, first?.matched], ["ok", 2, 1])
  for (const [name, content] of Object.entries(files))
    assert.equal((await readFile(join(directory, name), "utf8")) === content, true, name)
  const [second] = await agent.round()
  assert.deepEqual([second?.status, second?.sent, second?.matched], ["ok", 0, 3])
  await waitFor("both sessions to end", () => sessions.length === 2)
  assert.deepEqual(sessions, [null, null])
})
