/**
 * Runs the tests.
 *
 *   node scripts/test.ts [FILE…] [--only PATTERN]   these files, or all; --only picks by title. A file that is no test
 *                                                   means the tests that cover it; exit code 2 where none does
 *                        [--timeout SECONDS]        of each file as a whole, so that no test hangs the run
 *   node scripts/test.ts --all                      provisions, checks, builds, then every test; none may be skipped
 *   node scripts/test.ts --soak [--runs N] [FILE…]  N times (3) beside a busy loop on each core, *.soak.ts too, to find
 *                                                   what fails by chance. None may be skipped. Provisions and builds
 *                                                   first, unless files are named
 *   node scripts/test.ts --fresh-engine …           the same on a Docker Engine, HOME and /tmp of the run's own, all
 *                                                   of them empty, which are removed afterwards (Linux, root)
 *
 * Otherwise a test whose service is not there (Docker, age, …) is skipped and named at the end. What
 * fails is shown in full, the rest as a line a file; with files named, every test.
 */
import { availableParallelism } from "node:os"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { startBusyLoops } from "./busy-loops.ts"
import { chooseTests } from "./choose-tests.ts"
import { runOnFreshEngine } from "./fresh-engine.ts"
import { run } from "./run.ts"
import { runTestFiles, type RunResult } from "./test-run.ts"

const root = resolve(import.meta.dirname, "..")
/** Set where this is the run on the fresh engine, whose machine has what it needs. */
const insideVariable = "PURSER_TEST_ON_FRESH_ENGINE"
const started = performance.now()

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    soak: { type: "boolean", default: false },
    runs: { type: "string", default: "3" },
    "fresh-engine": { type: "boolean", default: false },
    only: { type: "string" },
    timeout: { type: "string" },
  },
})

if (values.all || values.soak) process.env["PURSER_TEST_ALL"] = "1"
const strict = process.env["PURSER_TEST_ALL"] !== undefined
const patient = strict || process.env["SLOW"] !== undefined
const timeoutMs = Number(values.timeout ?? (patient ? 600 : 180)) * 1000
const isNamed = positionals.length > 0
const runs = values.soak ? Number(values.runs) : 1
if (!(Number.isInteger(runs) && runs > 0)) {
  console.log(`test: --runs ${values.runs} is no number of runs`)
  process.exit(2)
}

const { files, notes, problems } = chooseTests(
  root,
  positionals,
  values.soak ? "*.{test,soak}.ts" : undefined,
)
for (const line of [...notes, ...problems]) console.log(`test: ${line}`)
if (problems.length > 0) process.exit(2)

await prepare()
let isGood = true
if (values.soak) {
  await using _ = startBusyLoops(availableParallelism())
  isGood = await soak()
} else {
  isGood = report(await runTestFiles(files, { timeoutMs, only: values.only, verbose: isNamed }))
}
process.exit(isGood ? 0 : 1)

/** Brings what is asked for. Ends this process where that fails, or where another runs the tests in its place. */
async function prepare(): Promise<void> {
  const fresh = values["fresh-engine"] ? ["--fresh-engine"] : []
  const isInside = process.env[insideVariable] !== undefined
  const isWhole = values.all || (values.soak && !isNamed)
  if (isWhole && !isInside) await step("provisioning", "sh", ["scripts/provision.sh", ...fresh])
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
  if (values.all) await step("check", process.execPath, ["scripts/check.ts"])
  if (isWhole)
    for (const what of ["build", "build-exe"]) await step(what, process.execPath, [`scripts/${what}.ts`])
}

async function step(what: string, command: string, args: readonly string[]): Promise<void> {
  const code = await run(command, args)
  if (code === 0) return
  console.log(`test: not run, since the ${what} failed`)
  process.exit(code)
}

/** Prints which tests failed, and in which of the runs. */
async function soak(): Promise<boolean> {
  const failedIn = new Map<string, number[]>()
  let isGood = true
  for (let number = 1; number <= runs; number++) {
    console.log(`soak: run ${number} of ${runs}`)
    const result = await runTestFiles(files, { timeoutMs, only: values.only, verbose: false })
    isGood = report(result) && isGood
    for (const test of new Set(result.failed)) failedIn.set(test, [...(failedIn.get(test) ?? []), number])
  }
  console.log()
  for (const [test, numbers] of failedIn)
    console.log(`✖ ${test} (failed in run ${numbers.join(", ")} of ${runs})`)
  console.log(
    `soak: ${isGood ? "no test failed" : "not all passed"} in ${runs} ${runs === 1 ? "run" : "runs"}`,
  )
  return isGood
}

/** Ends with the counts, as the runner itself prints them. */
function report({ total, leftOut, leaks }: RunResult): boolean {
  if (leftOut.size > 0) {
    console.log("\nleft out:")
    for (const [why, count] of leftOut) console.log(`  ${count} ${count === 1 ? "test" : "tests"}: ${why}`)
    if (!strict) console.log("hint: npm run test:all brings every service first, and skips nothing")
  }
  for (const leak of leaks) console.log(`✖ a secret of a test was left behind: ${leak}`)
  const isGood = total.pass > 0 && total.fail === 0 && total.cancelled === 0 && leaks.length === 0
  const isComplete = !strict || total.skipped === 0
  if (!isComplete) console.log("test: here nothing may be skipped")
  console.log()
  for (const [what, count] of Object.entries(total)) console.log(`ℹ ${what} ${count}`)
  console.log(`ℹ duration_ms ${(performance.now() - started).toFixed(3)}`)
  return isGood && isComplete
}
