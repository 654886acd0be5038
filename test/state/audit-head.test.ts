import assert from "node:assert/strict"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import { stateFileIn } from "../../src/state/state.ts"
import { place } from "./support.ts"

test("a damaged audit head is refused", async (t) => {
  const { dir, state } = await place(t)
  state.auditHead.update((head) => ({ ...head, seq: 1, hash: `sha256:${"a".repeat(64)}` }))
  const other = new DatabaseSync(stateFileIn(dir))
  t.after(() => other.close())
  other.exec("UPDATE audit_head SET hash = 'sha256:x'")
  assert.throws(() => state.auditHead.read(), { code: "ERR_STATE", message: /audit head .* is damaged/ })
})

test("a failed change of the head changes nothing", async (t) => {
  const { state, again } = await place(t)
  const hash = `sha256:${"a".repeat(64)}` as const
  state.auditHead.update((head) => ({ ...head, seq: 1, hash }))
  assert.throws(() =>
    state.auditHead.update(() => {
      throw new Error("no")
    }),
  )
  assert.equal(state.auditHead.read().seq, 1)
  again().auditHead.update((head) => ({ ...head, seq: head.seq + 1 }))
  assert.equal(state.auditHead.read().seq, 2)
})
