import assert from "node:assert/strict"
import { readdir } from "node:fs/promises"
import { test } from "node:test"
import type { NodeSighting } from "../../../src/state/nodes.ts"
import { createIdentity } from "../../../src/channel/identity.ts"
import { statePlace } from "../state-place.ts"

const [one, two] = [createIdentity().pin, createIdentity().pin].toSorted() as [
  `sha256:${string}`,
  `sha256:${string}`,
]

function seen(address: string, settings: Partial<NodeSighting> = {}): NodeSighting {
  return { app: "web", address, pin: one, name: "node-1", state: "ok", error: null, ...settings }
}

test("lists the nodes that were served and that wait: address, pin, app, first seen, last delivery, state", async (t) => {
  const { dir, ok, run, withState } = await statePlace(t)
  const empty = await run(["nodes", "ls"])
  assert.deepEqual([empty.code, empty.stdout], [0, ""])
  assert.match(empty.stderr, /^purser: no nodes are known in \/.*\/state: there is no state yet\n$/)
  for (const command of [["audit"], ["nodes", "ls"]]) {
    const { code, stderr } = await run([...command, "--state", "mistyped"])
    assert.equal(code, 0)
    assert.match(stderr, /mistyped: there is no state yet/)
  }
  assert.deepEqual(await readdir(dir), [], "looking makes nothing")
  withState((state) => {
    state.nodes.record(seen("203.0.113.7:39898"))
    state.nodes.record(
      seen("203.0.113.8:39898", { app: "db", state: "failed", error: "no", pin: two, name: "node-2" }),
    )
    state.approvals.request("cache", two, "203.0.113.9:39898", "node-3")
  })
  const [head, ...rows] = (await ok("nodes", "ls")).trimEnd().split("\n")
  assert.match(head ?? "", /^APP +ADDRESS +NAME +STATE +FIRST SEEN +LAST DELIVERY +PIN$/)
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`
  assert.match(rows[0] ?? "", new RegExp(`^db +203.0.113.8:39898 +node-2 +failed +${time} +never +${two}$`))
  assert.match(rows[1] ?? "", new RegExp(`^web +203.0.113.7:39898 +node-1 +ok +${time} +${time} +${one}$`))
  assert.match(
    rows[2] ?? "",
    new RegExp(`^cache +203.0.113.9:39898 +node-3 +pending +${time} +never +${two}$`),
  )
  assert.equal(rows.length, 3)
  assert.equal((await ok("nodes", "--app", "web")).trimEnd().split("\n").length, 2)
  const json = (await ok("nodes", "ls", "--json", "--app", "db")).trimEnd().split("\n")
  assert.equal(json.length, 1)
  const { firstSeen, lastSeen, ...rest } = JSON.parse(json[0] ?? "") as Record<string, unknown>
  assert.match(String(firstSeen), new RegExp(time))
  assert.match(String(lastSeen), new RegExp(time))
  assert.deepEqual(rest, {
    app: "db",
    address: "203.0.113.8:39898",
    pin: two,
    name: "node-2",
    lastDelivery: null,
    state: "failed",
    error: "no",
  })
})

test("a peer's name with terminal escapes is shown escaped", async (t) => {
  const { ok, withState } = await statePlace(t)
  await ok("nodes")
  withState((state) => {
    state.nodes.record(seen("203.0.113.7:39898", { name: "\u001b[2Jnode\nweb  forged" }))
    state.approvals.request("web", two, "203.0.113.9:39898", "\u202Eedon")
  })
  const shown = await ok("nodes", "ls")
  assert.doesNotMatch(shown, /(?!\n)\p{Cc}|\p{Bidi_Control}/u)
  assert.equal(shown.trimEnd().split("\n").length, 3)
  assert.ok(shown.includes(String.raw`\x1b[2Jnode\x0aweb  forged`))
  assert.ok(shown.includes(String.raw`\u202eedon`))
})

test("approve and reject decide on a pin, for one app or every one that it asked, and the audit log has it", async (t) => {
  const { ok, run, withState, audit } = await statePlace(t)
  await ok("nodes")
  withState((state) => {
    for (const app of ["web", "db"]) state.approvals.request(app, one, "203.0.113.7:39898", "node-1")
  })
  const states = (): unknown[] =>
    withState((state) => ["db", "web"].map((app) => state.approvals.find(app, one)))
  const approved = await run(["nodes", "approve", one, "--app", "web"])
  assert.deepEqual({ ...approved }, { code: 0, stdout: `approved ${one} for web\n`, stderr: "" })
  assert.deepEqual(states(), ["pending", "approved"])
  await ok("nodes", "approve", one)
  assert.deepEqual(states(), ["approved", "approved"])
  await ok("nodes", "reject", one)
  assert.deepEqual(states(), ["rejected", "rejected"])
  assert.deepEqual(
    (await audit()).map(
      ({ kind, change, app, pin }) => `${String(kind)} ${String(change)} ${String(app)} ${pin === one}`,
    ),
    [
      "trust approved web true",
      "trust approved db true",
      "trust approved web true",
      "trust rejected db true",
      "trust rejected web true",
    ],
  )
})

test("a node that was served and then rejected is listed as rejected", async (t) => {
  const { ok, withState } = await statePlace(t)
  await ok("nodes")
  withState((state) => {
    state.approvals.request("web", one, "203.0.113.7:39898", "node-1")
    state.approvals.decide(one, "approved")
    state.nodes.record(seen("203.0.113.7:39898"))
  })
  const state = async (): Promise<unknown> => {
    const lines = (await ok("nodes", "ls", "--json")).trimEnd().split("\n")
    assert.equal(lines.length, 1)
    return (JSON.parse(lines[0] ?? "") as { state: unknown }).state
  }
  assert.equal(await state(), "ok")
  await ok("nodes", "reject", one)
  assert.equal(await state(), "rejected")
})

test("forget removes a node by pin or address, with its approval, and the audit log has it", async (t) => {
  const { ok, withState, audit } = await statePlace(t)
  await ok("nodes")
  withState((state) => {
    state.nodes.record(seen("203.0.113.7:39898"))
    state.nodes.record(seen("203.0.113.8:39898", { pin: two }))
    state.approvals.request("web", two, "203.0.113.8:39898", "node-2")
    state.approvals.decide(two, "approved")
  })
  await ok("nodes", "forget", "203.0.113.7:39898")
  assert.deepEqual(
    withState((state) => state.nodes.list().map(({ pin }) => pin)),
    [two],
  )
  await ok("nodes", "forget", two)
  assert.deepEqual(
    withState((state) => [...state.nodes.list(), ...state.approvals.list()]),
    [],
  )
  assert.deepEqual(
    (await audit()).map(({ change, address, pin }) => [change, address ?? pin]),
    [
      ["forgotten", "203.0.113.7:39898"],
      ["forgotten", two],
    ],
  )
})

const refused: [what: string, args: string[], message: RegExp][] = [
  [
    "a pin that is none",
    ["approve", "\u001b[2J"],
    /"\\x1b\[2J" is not a pin\nhint: copy one from purser nodes ls/,
  ],
  ["approving a pin that never asked", ["approve", two], /no node with the pin sha256:.* has asked\nhint: /],
  ["rejecting a pin that never asked", ["reject", two], /has asked\nhint: /],
  ["a pin that asked for another app", ["approve", one, "--app", "db"], /has asked for db\nhint: /],
  [
    "forgetting who is not known",
    ["forget", "203.0.113.99:1"],
    /no node is known as "203\.0\.113\.99:1"\nhint: /,
  ],
  ["approve without a pin", ["approve"], /missing required argument "pin"/],
  ["a command that there is not", ["aprove", one], /too many arguments/],
]
test("a decision that is not possible exits with 2, and is not in the audit log", async (t) => {
  const { ok, run, withState, audit } = await statePlace(t)
  await ok("nodes")
  withState((state) => state.approvals.request("web", one, "203.0.113.7:39898", "node-1"))
  for (const [what, args, message] of refused) {
    const { code, stdout, stderr } = await run(["nodes", ...args])
    assert.equal(code, 2, what)
    assert.equal(stdout, "", what)
    assert.match(stderr, message, what)
  }
  assert.deepEqual(await audit(), [])
  assert.equal(
    withState((state) => state.approvals.find("web", one)),
    "pending",
  )
})
