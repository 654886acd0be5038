import assert from "node:assert/strict"
import { test } from "node:test"
import { Delivery } from "../../../src/agent/delivery/delivery.ts"
import type { AgentEvent } from "../../../src/agent/delivery/events.ts"
import type { AuditLog } from "../../../src/audit/audit-log.ts"
import type { AuditEvent } from "../../../src/audit/events.ts"
import { PurserError } from "../../../src/base/errors.ts"
import { Secret } from "../../../src/base/secret.ts"
import { createIdentity } from "../../../src/channel/identity.ts"
import { appConfig } from "../../support/pair.ts"

const { pin } = createIdentity()
const place = { app: "web", directory: "/srv/web" }
const node = { app: "web", address: "192.0.2.7:39898", pin, node: "front-1" }
const session = { kind: "session", ...node, group: "X25519" } as const

/** A delivery whose lines and events stay in memory. `append` may throw. */
function staged({ append = () => {} }: { append?: (event: AuditEvent) => void } = {}) {
  const lines: AuditEvent[] = []
  const events: AgentEvent[] = []
  const audit: AuditLog = {
    async append(event) {
      append(event)
      lines.push(event)
    },
    contentTag: (content) => `tag of ${content.revealText()}`,
    head: () => "",
    [Symbol.asyncDispose]: async () => {},
  }
  const secrets = { read: async () => null, names: async () => [] }
  const onEvent = (event: AgentEvent): void => void events.push(event)
  return { lines, events, delivery: new Delivery({ app: appConfig("web"), secrets, audit, onEvent }) }
}

test("a delivery emits its start, each file and its end with the counts, and returns the end", async () => {
  const { delivery, events } = staged()
  const end = await delivery.run(async () => {
    delivery.start({ target: "/srv/web" })
    delivery.tell("a", "sent")
    delivery.tell("b", "match")
    for (const status of ["missing", "denied", "failed"] as const) delivery.tell("c", status)
  })
  assert.deepEqual([end?.status, end?.sent, end?.matched, end?.missing], ["ok", 1, 1, 3])
  assert.deepEqual(events.at(0), { type: "start", app: "web", target: "/srv/web" })
  assert.deepEqual(events.at(1), {
    type: "file",
    app: "web",
    target: "/srv/web",
    secret: "a",
    status: "sent",
  })
  assert.equal(events.at(-1), end)
  assert.ok((end?.durationMs ?? -1) >= 0)
})

test("what is thrown is the delivery's error, whatever it is, and a refusal only when nobody was trusted", async () => {
  for (const [thrown, status] of [
    [new PurserError("ERR_UNTRUSTED", "no"), "refused"],
    [new PurserError("ERR_DELIVERY", "no"), "failed"],
    [new Error("no"), "failed"],
  ] as const) {
    const { delivery } = staged()
    const end = await delivery.run(async () => {
      delivery.start({ target: "x" })
      throw thrown
    })
    assert.deepEqual([end?.status, end?.error?.message], [status, "no"])
  }
})

test("a delivery that does not start is told only when it fails, by the name it was given before", async () => {
  const { delivery, events } = staged()
  assert.equal(await delivery.run(async () => {}), undefined)
  assert.deepEqual(events, [])
  const end = await delivery.run(async () => {
    delivery.aim({ target: "0123456789ab", container: "0123456789abcdef" })
    throw new Error("the engine hangs")
  })
  assert.deepEqual([end?.target, end?.container], ["0123456789ab", "0123456789abcdef"])
  assert.deepEqual(events, [end])
})

test("each decision has its line, with a tag of what is sent and the reason of a failure, and a match has none", async () => {
  const { delivery, lines } = staged()
  const content = new Secret("swordfish")
  await delivery.record({ ...place, secret: "a" }, { status: "sent", content })
  await delivery.record({ ...node, action: "report" }, { status: "sent" })
  for (const status of ["match", "missing", "denied"] as const)
    await delivery.record({ ...place, secret: "a" }, { status, reason: "unknown", content })
  await delivery.record({ ...place, secret: "a" }, { status: "failed", reason: "too large" })
  await delivery.recordRollback(place, ["a", "b"], new PurserError("ERR_CHECK", "not served"))
  assert.deepEqual(lines, [
    { kind: "delivered", ...place, secret: "a", content: "tag of swordfish" },
    { kind: "delivered", ...node, action: "report" },
    { kind: "missing", ...place, secret: "a" },
    { kind: "denied", ...place, secret: "a" },
    { kind: "failed", ...place, secret: "a", reason: "too large" },
    { kind: "rolled-back", ...place, files: "a b", reason: "not served" },
  ])
})

test("the end of a session gets the last line, and the peer stands in the events from then on", async () => {
  const { delivery, lines, events } = staged()
  await delivery.run(async () => {
    delivery.start({ target: node.address })
    delivery.meet({ pin })
    delivery.openSession((end) => ({ ...session, ...end }))
    delivery.meet({ node: "front-1" })
    delivery.tell("a", "sent")
    throw new PurserError("ERR_TIMEOUT", "too slow")
  })
  assert.deepEqual(lines, [
    { ...session, status: "failed", sent: 1, matched: 0, missing: 0, error: "ERR_TIMEOUT" },
  ])
  const peers = events.map((event) => (event.type === "delivery" ? event.pin : undefined))
  assert.deepEqual(peers, [undefined, undefined, pin])
  assert.deepEqual(
    events.map((event) => (event.type === "start" ? undefined : event.node)),
    [undefined, "front-1", "front-1"],
  )
})

test("a session whose peer is refused has no line, and one whose line cannot be written ends as it did", async () => {
  const refused = staged()
  await refused.delivery.run(async () => {
    refused.delivery.openSession((end) => ({ ...session, ...end }))
    throw new PurserError("ERR_UNTRUSTED", "no")
  })
  assert.deepEqual(refused.lines, [])
  const full = staged({
    append() {
      throw new PurserError("ERR_STATE", "the disk is full")
    },
  })
  const end = await full.delivery.run(async () => {
    full.delivery.start({ target: node.address })
    full.delivery.openSession((ended) => ({ ...session, ...ended }))
  })
  assert.equal(end?.status, "ok")
})

test("files that are delivered once more within a delivery are told, and not counted", async () => {
  const { delivery, events } = staged()
  const end = await delivery.run(async () => {
    delivery.start({ target: "web-1", container: "0123" })
    delivery.tell("a", "sent")
    delivery.repeated().tell("a", "sent")
  })
  assert.equal(end?.sent, 1)
  const files = events.filter(({ type }) => type === "file")
  assert.equal(files.length, 2)
  assert.deepEqual(files[0], files[1])
})
