import assert from "node:assert/strict"
import { EventEmitter, once } from "node:events"
import { test } from "node:test"
import { logHeads } from "../../src/audit/heads.ts"
import { silentLog, type Log } from "../../src/base/log.ts"
import { events, place } from "./support.ts"

/** A log whose lines can be waited for. */
function heard(): { log: Log; next: (level: "info" | "error") => Promise<unknown[]> } {
  const lines = new EventEmitter()
  const say =
    (level: string): Log["info"] =>
    (message, fields) =>
      void lines.emit(`line ${level}`, message, fields)
  return {
    log: { ...silentLog, info: say("info"), error: say("error") },
    next: (level) => once(lines, `line ${level}`),
  }
}

test("the head is logged again and again, as --expect takes it", async (t) => {
  const { append, open, verify } = await place(t)
  await append(...events.slice(0, 2))
  await using audit = open()
  const { log, next } = heard()
  using _ = logHeads(audit, log, 1)
  const [message, fields] = await next("info")
  assert.equal(message, "head of the audit log")
  const { head } = fields as { head: string }
  assert.match(head, /^2:sha256:[0-9a-f]{64}$/)
  assert.equal((await verify(head)).seq, 2)
  await append(...events.slice(2))
  const [, later] = await next("info")
  assert.match((later as { head: string }).head, /^5:sha256:/)
  assert.equal((await verify(head)).seq, 5)
})

test("a head that cannot be read is said, and ends nothing", async () => {
  const { log, next } = heard()
  const broken = {
    head(): string {
      throw new Error("disk I/O error")
    },
  }
  using _ = logHeads(broken, log, 1)
  for (const _time of [1, 2]) {
    assert.deepEqual(await next("error"), [
      "the head of the audit log cannot be read: disk I/O error",
      undefined,
    ])
  }
})
