import assert from "node:assert/strict"
import { describe, it, type TestContext } from "node:test"
import { PurserError } from "../../src/base/errors.ts"
import { Secret } from "../../src/base/secret.ts"
import type { Check } from "../../src/rollout/check.ts"
import { FailedSets } from "../../src/rollout/failed-sets.ts"
import { rollOut, type Outcome, type RolloutOptions } from "../../src/rollout/rollout.ts"
import type { RolloutFile, RolloutTarget, WrittenFiles } from "../../src/rollout/target.ts"
import { purserError } from "../files/support.ts"
import { requireService, type Service } from "../support/services.ts"
import { tlsFiles, type TlsFiles } from "../support/tls-files.ts"

/** The contract of every rollout target, as tests. */

/** A target, and a test's independent view of it. */
export interface ContractTarget {
  readonly target: RolloutTarget<WrittenFiles>
  /** The path of a file of this name, as the target has it. */
  path(name: string): string
  /** The check that its service serves the certificate. */
  readonly check: Check
  /** Every file in place, by name, without the record of a pending reload. */
  found(): Promise<Record<string, FoundFile>>
  reloads(): Promise<number>
  /** Makes this number of reloads fail. */
  failReloads(count: number): Promise<void>
}

export interface FoundFile {
  readonly content: string
  /** The mode in octal. */
  readonly mode: string
}

export interface ContractOptions {
  /** The files in place and served before the test; default: none. `names` are all files of the set. */
  readonly old: Record<string, FoundFile> | null
  readonly names: readonly string[]
  readonly signal: AbortSignal
}

const names = ["tls.crt", "tls.key", "same", "added"]

export function describeTarget(
  what: string,
  services: readonly Service[],
  open: (t: TestContext, options: ContractOptions) => Promise<ContractTarget>,
): void {
  describe(`a rollout into ${what}`, () => {
    it("writes what is new, reloads once, and sees that it is served", async (t) => {
      const bench = await begin(t)
      if (bench === null) return
      const { rollOutTo, fresh } = bench
      const result = await rollOutTo(fresh)
      assert.deepEqual([result.reloaded, result.checked], [true, true])
      assert.deepEqual(baseNames(result.written), ["added", "tls.crt", "tls.key"])
      assert.deepEqual(baseNames(result.replaced), ["tls.crt", "tls.key"])
      assert.deepEqual(baseNames(result.unchanged), ["same"])
      assert.deepEqual(await bench.found(), as(fresh, "400"))
      assert.equal(await bench.reloads(), 1)
    })

    it("changes and reloads nothing where the set is in place", async (t) => {
      const bench = await begin(t)
      if (bench === null) return
      await bench.rollOutTo(bench.fresh)
      const after = await bench.found()
      const beforeChange = (): Promise<void> => assert.fail("nothing may change")
      const result = await bench.rollOutTo(bench.fresh, { beforeChange })
      assert.deepEqual([result.written, result.reloaded, result.checked], [[], false, false])
      assert.deepEqual(await bench.found(), after)
      assert.equal(await bench.reloads(), 1)
    })

    it("puts the old files back where the new certificate is not served, and refuses the set then", async (t) => {
      const bench = await begin(t)
      if (bench === null) return
      const bad = { ...bench.fresh, "tls.key": (await tlsFiles(t)).key }
      const rolledBack: string[][] = []
      const onRolledBack = async (paths: readonly string[]): Promise<void> =>
        void rolledBack.push(baseNames(paths))
      await assert.rejects(
        bench.rollOutTo(bad, { onRolledBack }),
        purserError("ERR_CHECK", /is not served after .*; the old files are back and served$/),
      )
      assert.deepEqual(await bench.found(), bench.before)
      assert.equal(await bench.reloads(), 2)
      assert.deepEqual(rolledBack, [["tls.crt", "tls.key"]])
      await assert.rejects(bench.rollOutTo(bad), purserError("ERR_CHECK", /^held back since/))
      assert.deepEqual(await bench.found(), bench.before)
      assert.equal(await bench.reloads(), 2)
      assert.equal((await bench.rollOutTo(bench.fresh)).checked, true, "another content is tried at once")
    })

    it("puts the old files back where the reload fails", async (t) => {
      const bench = await begin(t)
      if (bench === null) return
      await bench.failReloads(1)
      await assert.rejects(
        bench.rollOutTo(bench.fresh),
        purserError("ERR_CHECK", /^the reload .* failed: .*; the old files are back and served$/),
      )
      assert.deepEqual(await bench.found(), bench.before)
      assert.equal(await bench.reloads(), 2)
    })

    it("says that the old files are there, but not reloaded, where the reload fails again", async (t) => {
      const bench = await begin(t)
      if (bench === null) return
      await bench.failReloads(2)
      await assert.rejects(
        bench.rollOutTo(bench.fresh),
        purserError("ERR_CHECK", /; the old files .*could not be put back and reloaded: the reload /),
      )
      assert.deepEqual(await bench.found(), bench.before)
      assert.equal(await bench.reloads(), 2)
    })

    it("leaves the new files where nothing was there before", async (t) => {
      const bench = await begin(t, null)
      if (bench === null) return
      await bench.failReloads(1)
      await assert.rejects(
        bench.rollOutTo(bench.fresh),
        purserError("ERR_CHECK", /^the reload .* failed: .*; there are no old files/),
      )
      assert.deepEqual(await bench.found(), as(bench.fresh, "400"))
      assert.equal(await bench.reloads(), 1)
    })

    it("leaves the new files when it is aborted during the reload", async (t) => {
      const bench = await begin(t)
      if (bench === null) return
      const { stop, target } = bench
      const reload = async (): Promise<boolean> => {
        stop.abort(new Error("stopped"))
        return await target.reload()
      }
      await assert.rejects(bench.rollOutTo(bench.fresh, {}, { ...target, reload }), /^Error: stopped$/)
      assert.deepEqual(Object.keys(await bench.found()).sort(), names.toSorted())
      assert.equal((await bench.found())["tls.crt"]?.content, bench.fresh["tls.crt"])
    })

    it("changes nothing when beforeChange rejects", async (t) => {
      const bench = await begin(t)
      if (bench === null) return
      const beforeChange = (): Promise<void> => Promise.reject(new PurserError("ERR_AUDIT", "no room"))
      await assert.rejects(
        bench.rollOutTo(bench.fresh, { beforeChange }),
        purserError("ERR_AUDIT", /no room/),
      )
      assert.deepEqual(await bench.found(), bench.before)
      assert.equal(await bench.reloads(), 0)
    })
  })

  async function begin(t: TestContext, old?: null) {
    if (!(await requireService(t, "openssl", ...services))) return null
    const [was, is] = [await tlsFiles(t), await tlsFiles(t)]
    const before = old === null ? {} : { ...as({ same: "same" }, "400"), ...as(contentsOf(was), "440") }
    const fresh: Record<string, string> = { ...contentsOf(is), same: "same", added: "added" }
    const stop = new AbortController()
    const opened = await open(t, { old: old === null ? null : before, names, signal: stop.signal })
    const failed = { sets: new FailedSets(), target: "web" }
    const rollOutTo = (
      contents: Record<string, string>,
      options: Partial<RolloutOptions<WrittenFiles>> = {},
      target = opened.target,
    ): Promise<WrittenFiles & Outcome> =>
      rollOut(target, filesOf(contents, opened), {
        checks: [opened.check],
        failed,
        signal: stop.signal,
        ...options,
      })
    return { ...opened, stop, before: before as Record<string, FoundFile>, fresh, rollOutTo }
  }
}

function contentsOf({ certificate, key }: TlsFiles): Record<string, string> {
  return { "tls.crt": certificate, "tls.key": key }
}

function baseNames(paths: readonly string[]): string[] {
  return paths.map((path) => path.replace(/^.*\//, "")).toSorted()
}

/** These contents with this mode. */
function as(contents: Record<string, string>, mode: string): Record<string, FoundFile> {
  return Object.fromEntries(Object.entries(contents).map(([name, content]) => [name, { content, mode }]))
}

function filesOf(contents: Record<string, string>, { path }: Pick<ContractTarget, "path">): RolloutFile[] {
  return Object.entries(contents).map(([name, content]) => ({
    path: path(name),
    name: path(name),
    content: new Secret(content),
    mode: 0o400,
  }))
}
