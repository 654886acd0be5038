import assert from "node:assert/strict"
import { test } from "node:test"
import type { AgentEvent, DeliveryEvent } from "../../../src/agent/delivery/events.ts"
import { PurserError } from "../../../src/base/errors.ts"
import { createLog } from "../../../src/base/log.ts"
import { createDisplay, jsonOf, lineOf, liveDisplay } from "../../../src/cli/agent/display.ts"
import type { Output } from "../../../src/cli/output.ts"

const target = "192.0.2.1:39898"
const delivery = (changes: Partial<DeliveryEvent> = {}): DeliveryEvent => ({
  type: "delivery",
  app: "web",
  target,
  node: "web-1",
  status: "ok",
  sent: 1,
  matched: 2,
  missing: 0,
  durationMs: 12,
  ...changes,
})
const file = (changes: object = {}): AgentEvent => ({
  type: "file",
  app: "web",
  target,
  secret: "db-password",
  status: "sent",
  ...changes,
})
const error = new PurserError("ERR_UNREACHABLE", "it is not there", { hint: "start it" })

const lines: [event: AgentEvent, line: string][] = [
  [file(), `web ${target}: sent db-password`],
  [file({ status: "denied", secret: "\u001b[2Jx\n" }), `web ${target}: denied \\x1b[2Jx\\x0a`],
  [delivery(), `web ${target}: ok, 1 sent, 2 match (12 ms)`],
  [delivery({ missing: 1 }), `web ${target}: ok, 1 sent, 2 match, 1 not delivered (12 ms)`],
  [delivery({ status: "failed", error }), `web ${target}: failed, it is not there\nhint: start it`],
  [
    delivery({ status: "refused", error: new PurserError("ERR_UNTRUSTED", "\u009b31mno\u202e") }),
    `web ${target}: refused, \\x9b31mno\\u202e`,
  ],
]
for (const [event, line] of lines) {
  test(`a line: ${JSON.stringify(line)}`, () => assert.equal(lineOf(event), line))
}

test("JSON has the error's code, message and hint, and no stack", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(jsonOf(delivery({ status: "failed", error })))), {
    ...delivery({ status: "failed" }),
    error: { code: "ERR_UNREACHABLE", message: "it is not there", hint: "start it" },
  })
})

function fakeOutput(settings: Partial<Output> = {}) {
  const results: string[] = []
  const notes: string[] = []
  const output: Output = {
    json: false,
    isTerminal: false,
    color: false,
    result: (_object, text) => void results.push(text),
    table: () => {},
    bytes: async () => {},
    note: (text) => void notes.push(text),
    warn: () => {},
    ...settings,
  }
  return { output, results, notes }
}

test("without a terminal: a line for each file and delivery, and a summary of several deliveries", async () => {
  const { output, results, notes } = fakeOutput()
  {
    await using display = await createDisplay(output, { live: true })
    display.show({ type: "start", app: "web", target })
    display.show(file())
    display.show(delivery())
    display.show(delivery({ status: "refused", error }))
  }
  assert.equal(results.length, 3)
  assert.deepEqual(notes, ["2 deliveries: 1 ok, 0 failed, 1 refused"])
})

test("on a terminal: one row for each target, the latest first, with escaped names of peers", async () => {
  const frames: string[] = []
  let isDone = false
  const update = Object.assign((...text: string[]) => void frames.push(text.join("")), {
    clear: () => void frames.push(""),
    done: () => void (isDone = true),
  })
  {
    await using display = liveDisplay(update, false)
    display.show({ type: "start", app: "web", target })
    assert.match(
      frames.at(-1) ?? "",
      /^APP +TARGET +NODE +STATE +LAST DELIVERY +FILES\nweb +192\.0\.2\.1:39898 +delivering$/,
    )
    display.show(file({ node: "web-1" }))
    assert.match(frames.at(-1) ?? "", /web-1 +delivering +sent db-password$/)
    display.show(file({ secret: "x".repeat(255) }))
    assert.match(frames.at(-1) ?? "", /sent x{52}\.\.\.$/)
    display.show(delivery())
    assert.match(frames.at(-1) ?? "", /web-1 +ok +\d\d:\d\d:\d\d +1 sent, 2 match$/)
    display.show(delivery({ app: "db", node: "\u001b[2J", status: "failed", error }))
    const rows = (frames.at(-1) ?? "").split("\n")
    assert.equal(rows.length, 3)
    assert.match(rows[1] ?? "", /^db .*\\x1b\[2J +failed .* it is not there$/)
  }
  assert.equal(isDone, true)
})

test("on a terminal: more targets than fit are counted", async () => {
  let last = ""
  await using display = liveDisplay(
    Object.assign((...text: string[]) => void (last = text.join("")), { clear: () => {}, done: () => {} }),
    true,
  )
  for (let index = 0; index < 50; index++) display.show(delivery({ target: `node-${index}` }))
  assert.match(last, /\nand 30 more$/)
  assert.match(last, /node-49/)
  assert.doesNotMatch(last, /node-29 /)
  assert.ok(last.includes("\u001b[32mok"), "with colour")
})

test("on a terminal: a log line is written where the table was, and the table again below it", async () => {
  const happened: string[] = []
  const update = Object.assign(
    (...text: string[]) => void happened.push(`draw ${text.join("").length > 0}`),
    {
      clear: () => void happened.push("clear"),
      done: () => {},
    },
  )
  await using display = liveDisplay(update, false)
  const log = display.around(createLog({ write: (text: string) => happened.push(text) }))
  log.warn("first")
  display.show(delivery())
  log.info("second", { app: "web" })
  assert.deepEqual(happened, [
    "clear",
    "warn: first\n",
    "draw true",
    "clear",
    "second app=web\n",
    "draw true",
  ])
})
