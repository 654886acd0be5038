import assert from "node:assert/strict"
import { describe, it } from "node:test"
import { PurserError } from "../../src/base/errors.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { purserError } from "../files/support.ts"
import { describeTarget } from "./contract.ts"
import {
  begin,
  faultAt,
  fileOf,
  injected,
  stopped,
  unchanged,
  type FaultStep,
  type Outcome,
} from "./faults.ts"
import { memoryTarget } from "./memory-target.ts"

/** Faults at each step of a rollout, in memory. */

describeTarget("memory", [], async (t, { old }) => {
  const before = Object.entries(old ?? {}).map(([name, { content, mode }]) =>
    fileOf(name, content, Number.parseInt(mode, 8)),
  )
  const target = await memoryTarget(t, before)
  return {
    target,
    path: (name) => name,
    check: parseCheck(`:${target.port} within=4s`),
    found: async () =>
      Object.fromEntries(
        [...target.files].map(([name, { content, mode }]) => [
          name,
          { content: content.revealText(), mode: mode.toString(8) },
        ]),
      ),
    reloads: async () => target.reloads(),
    async failReloads(count) {
      target.fault = (step) => {
        if (step.startsWith("reload") && target.reloads() <= count)
          throw new PurserError("ERR_RELOAD", "the reload x failed: it is gone")
      }
    },
  }
})

const beforeTheChange: readonly FaultStep[] = ["hosts", "stage", "read the old files", "beforeChange"]

for (const old of ["present", "absent"] as const) {
  describe(`a rollout with the old set ${old}`, { concurrency: 4 }, () => {
    for (const step of beforeTheChange) {
      it(`changes nothing when it fails at "${step}", nor when it is aborted there`, async (t) => {
        await faultAt(t, step, old, { error: injected, outcome: unchanged, isRefused: false })
        await faultAt(t, step, old, { aborts: true, error: stopped, outcome: unchanged, isRefused: false })
      })
    }

    it("does not clear the record of a reload when the names cannot be changed", async (t) => {
      const outcome = { ...unchanged, isPending: true }
      await faultAt(t, "rename", old, { error: injected, outcome, isRefused: false })
      await faultAt(t, "rename", old, { aborts: true, error: stopped, outcome, isRefused: false })
    })

    it("leaves the new files and the pending reload when onWritten fails, or is aborted", async (t) => {
      const outcome: Outcome = { content: "new", reloads: 0, isPending: true }
      await faultAt(t, "onWritten", old, { error: injected, outcome, isRefused: false })
      await faultAt(t, "onWritten", old, { aborts: true, error: stopped, outcome, isRefused: false })
    })

    for (const step of ["reload", "connect", "look whether it is away", "clear the record"] as const) {
      it(`leaves the new files and the pending reload when it is aborted at "${step}"`, async (t) => {
        const outcome: Outcome = { content: "new", reloads: 1, isPending: true }
        await faultAt(t, step, old, { aborts: true, error: stopped, outcome, isRefused: false })
      })
    }

    for (const step of ["look whether it is away", "clear the record"] as const) {
      it(`leaves them, too, when it fails at "${step}"`, async (t) => {
        const outcome: Outcome = { content: "new", reloads: 1, isPending: true }
        await faultAt(t, step, old, { error: injected, outcome, isRefused: false })
      })
    }

    it("blames a reload that failed on the service where that is away, and not on the files", async (t) => {
      const error = purserError("ERR_RELOAD", /^injected$/)
      const outcome: Outcome = { content: "new", reloads: 1, isPending: true }
      await faultAt(t, "reload", old, { isAway: true, error, outcome, isRefused: false })
    })

    it("without a check leaves the new files when the reload fails", async (t) => {
      const error = purserError("ERR_RELOAD", /^injected$/)
      const outcome: Outcome = { content: "new", reloads: 1, isPending: true }
      await faultAt(t, "reload", old, { checks: [], error, outcome, isRefused: false })
    })
  })
}

describe("a rollout", () => {
  it("is refused before it changes anything where no file of the set holds a certificate", async (t) => {
    const bench = await begin(t, "absent")
    if (bench === null) return
    await assert.rejects(
      bench.rollOutTo(new Map([["a", fileOf("a", "x")]])),
      purserError("ERR_CHECK", /no file holds a certificate/),
    )
    bench.assertOutcome(unchanged)
  })

  it("checks for the certificate of a file that is there already, when others of its set change", async (t) => {
    const bench = await begin(t, "present")
    if (bench === null) return
    const result = await bench.rollOutTo(new Map([["added", fileOf("added", "x")]]))
    assert.deepEqual([result.written, result.checked], [["added"], true])
  })

  it("reloads for a reload that is due though nothing was written", async (t) => {
    const bench = await begin(t, "present")
    if (bench === null) return
    const { before, target } = bench
    const result = await bench.rollOutTo(before, { onWritten: async () => true })
    assert.deepEqual([result.written, result.reloaded, result.checked], [[], true, true])
    assert.equal(target.reloads(), 1)
  })
})
