import assert from "node:assert/strict"
import { describe, it } from "node:test"
import { PurserError } from "../../src/base/errors.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { purserError } from "../files/support.ts"
import { tlsFiles } from "../support/tls-files.ts"
import { begin, failing, faultAt, fileOf, stopped, type FaultStep, type Outcome } from "./faults.ts"

describe("a roll-back", { concurrency: 4 }, () => {
  it("follows a reload that failed", async (t) => {
    const error = purserError("ERR_CHECK", /^injected; the old files are back and served$/)
    const outcome: Outcome = { content: "old", reloads: 2, isPending: false }
    await faultAt(t, "reload", "present", { error, outcome, isRefused: true })
  })

  it("has nothing to put back where nothing was there", async (t) => {
    const error = purserError("ERR_CHECK", /^injected; there are no old files$/)
    const outcome: Outcome = { content: "new", reloads: 1, isPending: true }
    await faultAt(t, "reload", "absent", { error, outcome, isRefused: true })
  })

  const steps: readonly [FaultStep, Outcome][] = [
    ["put the old files back", { content: "new", reloads: 1, isPending: true }],
    ["remove what was added", { content: "old and added", reloads: 1, isPending: true }],
    ["onRolledBack", { content: "old", reloads: 1, isPending: true }],
    ["reload again", { content: "old", reloads: 2, isPending: true }],
    ["clear the record again", { content: "old", reloads: 2, isPending: true }],
  ]
  for (const [step, outcome] of steps) {
    it(`that fails at "${step}" says so`, async (t) => {
      const error = purserError(
        "ERR_CHECK",
        /^not reloaded; the old files could not be put back and reloaded: injected$/,
      )
      await faultAt(t, step, "present", { isRollBack: true, error, outcome, isRefused: true })
    })

    it(`that is aborted at "${step}" stops there`, async (t) => {
      await faultAt(t, step, "present", {
        isRollBack: true,
        aborts: true,
        error: stopped,
        outcome,
        isRefused: true,
      })
    })
  }

  it("that is aborted while the old files are checked leaves them", async (t) => {
    const outcome: Outcome = { content: "old", reloads: 2, isPending: false }
    await faultAt(t, "connect", "present", {
      isRollBack: true,
      aborts: true,
      error: stopped,
      outcome,
      isRefused: true,
    })
  })

  it("follows a certificate that is not served, and says when the old one is not served either", async (t) => {
    const bench = await begin(t, "present")
    if (bench === null) return
    const { target, fresh } = bench
    fresh.set("tls.key", fileOf("tls.key", (await tlsFiles(t)).key))
    target.fault = (step) => step === "reload again" && target.stop()
    await assert.rejects(
      bench.rollOutTo(fresh, { checks: [parseCheck(`127.0.0.1:${target.port} within=2s`)] }),
      purserError("ERR_CHECK", /is not served after .*; the old files are back, but are not served either: /),
    )
    bench.assertOutcome({ content: "old", reloads: 2, isPending: false })
  })

  it("does not check old files that hold no certificate", async (t) => {
    const bench = await begin(t, "present")
    if (bench === null) return
    const { target, before } = bench
    const bare = fileOf("tls.crt", "none")
    before.set("tls.crt", bare)
    target.files.set("tls.crt", bare)
    target.fault = failing("reload", new PurserError("ERR_RELOAD", "not reloaded"))
    await assert.rejects(
      bench.rollOutTo(bench.fresh),
      purserError("ERR_CHECK", /^not reloaded; the old files are back, but hold no certificate to check$/),
    )
    bench.assertOutcome({ content: "old", reloads: 2, isPending: false })
  })
})
