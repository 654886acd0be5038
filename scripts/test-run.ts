import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"
import { relative, resolve } from "node:path"
import { removeEverythingOf } from "../test/support/docker.ts"
import { startSweep } from "./sweep.ts"
import { noCounts, runFile, type Counts, type FileOptions } from "./test-file.ts"

const root = resolve(import.meta.dirname, "..")

export interface RunResult {
  readonly total: Counts
  /** `test/x/y.test.ts: title`, one for each test that failed. */
  readonly failed: readonly string[]
  /** Why tests were skipped, and how many for each reason. */
  readonly leftOut: ReadonlyMap<string, number>
  /** The places in which secrets of the tests were found afterwards. */
  readonly leaks: readonly string[]
}

/** Runs test files, some at a time, and removes from the engine what they forgot. */
export async function runTestFiles(files: readonly string[], options: FileOptions): Promise<RunResult> {
  // Whatever the tests make on an engine carries this, so that what a killed test leaves can be found.
  const name = `${process.pid}-${randomBytes(3).toString("hex")}`
  process.env["PURSER_TEST_RUN"] = name
  await using sweep = await startSweep()
  const total = noCounts()
  const failed: string[] = []
  const leftOut = new Map<string, number>()
  const waiting = files.values()
  await Promise.all(
    Array.from({ length: Math.max(2, availableParallelism()) }, async () => {
      for (const file of waiting) {
        const result = await runFile(file, options)
        for (const what of Object.keys(total) as (keyof Counts)[]) total[what] += result.counts[what]
        for (const why of result.skipped) leftOut.set(why, (leftOut.get(why) ?? 0) + 1)
        for (const title of result.failed) failed.push(`${relative(root, file)}: ${title}`)
      }
    }),
  )
  const leaks = await sweep.findings()
  await removeEverythingOf(name)
  return { total, failed, leftOut, leaks }
}
