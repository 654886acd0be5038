/**
 * Runs the tests.
 *
 *   node scripts/test.ts [FILE…] [--only PATTERN]   these files, or all; --only picks by title. A file that is no test
 *                                                   means the tests that cover it; exit code 2 where none does
 *                        [--timeout SECONDS]        of each file as a whole, so that no test hangs the run
 *   node scripts/test.ts --all                      provisions, checks, builds, then every test; none may be skipped
 *   node scripts/test.ts --fresh-engine …           the same on a Docker Engine, HOME and /tmp of the run's own, all
 *                                                   of them empty, which are removed afterwards (Linux, root)
 *
 * Without --all a test whose service is not there (Docker, age, …) is skipped and named at the end. What
 * fails is shown in full, the rest as a line a file; with files named, every test.
 */
import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { removeEverythingOf } from "../test/support/docker.ts"
import { chooseTests } from "./choose-tests.ts"
import { runOnFreshEngine } from "./fresh-engine.ts"
import { run } from "./run.ts"
import { startSweep } from "./sweep.ts"
import { noCounts, runFile } from "./test-file.ts"

const root = resolve(import.meta.dirname, "..")
const started = performance.now()

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    "fresh-engine": { type: "boolean", default: false },
    only: { type: "string" },
    timeout: { type: "string" },
  },
})

if (values.all) process.env["PURSER_TEST_ALL"] = "1"
const strict = process.env["PURSER_TEST_ALL"] !== undefined
const patient = strict || process.env["SLOW"] !== undefined
const timeoutMs = Number(values.timeout ?? (patient ? 600 : 180)) * 1000
const verbose = positionals.length > 0

/** Set where this is the run on the fresh engine, whose machine has what it needs. */
const insideVariable = "PURSER_TEST_ON_FRESH_ENGINE"
const fresh = values["fresh-engine"] ? ["--fresh-engine"] : []
const isInside = process.env[insideVariable] !== undefined
if (values.all && !isInside) await step("provisioning", "sh", ["scripts/provision.sh", ...fresh])
if (values["fresh-engine"] && !isInside) {
  process.env[insideVariable] = "1"
  const again = runOnFreshEngine([process.execPath, ...process.execArgv, ...process.argv.slice(1)])
  process.exit(
    await again.catch((error: unknown) => {
      console.log(`test: ${error instanceof Error ? error.message : String(error)}`)
      return 2
    }),
  )
}
if (values.all)
  for (const what of ["check", "build", "build-exe"])
    await step(what, process.execPath, [`scripts/${what}.ts`])

/** What has to succeed first. */
async function step(what: string, command: string, args: readonly string[]): Promise<void> {
  const code = await run(command, args)
  if (code === 0) return
  console.log(`test: not run, since the ${what} failed`)
  process.exit(code)
}

// Whatever the tests make on an engine carries this, so that what a killed test leaves can be found.
const name = `${process.pid}-${randomBytes(3).toString("hex")}`
process.env["PURSER_TEST_RUN"] = name

const { files, notes, problems } = chooseTests(root, positionals)
for (const line of [...notes, ...problems]) console.log(`test: ${line}`)
if (problems.length > 0) process.exit(2)

const sweep = await startSweep()

const total = noCounts()
/** Why tests were skipped, and how many for each reason. */
const leftOut = new Map<string, number>()

const waiting = files.values()
await Promise.all(
  Array.from({ length: Math.max(2, availableParallelism()) }, async () => {
    for (const file of waiting) {
      const { counts, skipped } = await runFile(file, { timeoutMs, only: values.only, verbose })
      for (const what of Object.keys(total) as (keyof typeof total)[]) total[what] += counts[what]
      for (const why of skipped) leftOut.set(why, (leftOut.get(why) ?? 0) + 1)
    }
  }),
)
const leaks = await sweep.findings()
await sweep[Symbol.asyncDispose]()
await removeEverythingOf(name)

if (leftOut.size > 0) {
  console.log("\nleft out:")
  for (const [why, count] of leftOut) console.log(`  ${count} ${count === 1 ? "test" : "tests"}: ${why}`)
  if (!strict) console.log("hint: npm run test:all brings every service first, and skips nothing")
}
for (const leak of leaks) console.log(`✖ a secret of a test was left behind: ${leak}`)
const good = total.pass > 0 && total.fail === 0 && total.cancelled === 0 && leaks.length === 0
const complete = !strict || total.skipped === 0
if (!complete) console.log("test: here nothing may be skipped")
console.log()
for (const [what, count] of Object.entries(total)) console.log(`ℹ ${what} ${count}`)
console.log(`ℹ duration_ms ${(performance.now() - started).toFixed(3)}`)
process.exit(good && complete ? 0 : 1)
