/**
 * Runs the tests.
 *
 *   node scripts/test.ts [FILE…] [--only PATTERN]   these files, or all; --only picks by title
 *   node scripts/test.ts --all                      checks, build, then every test, and none may be skipped
 *
 * Without --all a test whose service is not there (Docker, age, …) is skipped and named at the end. What
 * fails is shown in full, the rest as a line a file; with files named, every test.
 */
import { randomBytes } from "node:crypto"
import { globSync } from "node:fs"
import { availableParallelism } from "node:os"
import { relative, resolve } from "node:path"
import { run as runTests } from "node:test"
import { spec } from "node:test/reporters"
import { inspect, parseArgs } from "node:util"
import { removeEverythingOf } from "../test/support/docker.ts"
import { run } from "./run.ts"

const root = resolve(import.meta.dirname, "..")

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: "boolean", default: false }, only: { type: "string" } },
})

if (values.all) {
  process.env["PURSER_TEST_ALL"] = "1"
  for (const step of ["check", "build"]) {
    const code = await run(process.execPath, [`scripts/${step}.ts`])
    if (code !== 0) {
      console.log(`test: not run, since the ${step} failed`)
      process.exit(code)
    }
  }
}

// Whatever the tests make on an engine carries this, so that what a killed test leaves can be found.
const name = `${process.pid}-${randomBytes(3).toString("hex")}`
process.env["PURSER_TEST_RUN"] = name

const files = globSync(positionals.length > 0 ? positionals.map(asPattern) : "test/**/*.test.ts", {
  cwd: root,
})
  .map((file) => resolve(root, file))
  .sort()
if (files.length === 0) {
  console.log(`test: no test file fits ${positionals.join(" ")}`)
  process.exit(2)
}

/** A folder means the tests in it; `src/x/y.ts` means its mirror. */
function asPattern(argument: string): string {
  const path = relative(root, resolve(argument)).replaceAll("\\", "/")
  if (path.endsWith(".test.ts")) return path
  if (path.startsWith("src/") && path.endsWith(".ts"))
    return path.replace(/^src\/(.*)\.ts$/, "test/$1.test.ts")
  return `${path}/**/*.test.ts`
}

const minutes = values.all || process.env["SLOW"] !== undefined ? 10 : 3
const events = runTests({
  files,
  cwd: root,
  concurrency: Math.max(2, availableParallelism()),
  timeout: minutes * 60_000, // of a file as a whole: no test may hang the run
  ...(values.only === undefined ? {} : { testNamePatterns: [values.only] }),
})

const verbose = positionals.length > 0
const reporter = new spec()
if (verbose) reporter.pipe(process.stdout, { end: false })

/** Why tests were skipped, and how many for each reason. */
const skipped = new Map<string, number>()
const output = new Map<string, string[]>()
let failed = 0
const summary: string[] = []

for await (const event of events) {
  // The summary is kept for the end; the reporter would print the failures once more after it.
  const { type, data } = event
  if (type === "test:diagnostic" && data.nesting === 0 && data.file === undefined) {
    summary.push(data.message)
    continue
  }
  if (verbose) reporter.write(event)
  if (type === "test:stdout" || type === "test:stderr") {
    output.set(data.file, [...(output.get(data.file) ?? []), data.message])
  } else if (type === "test:pass") {
    if (data.skip !== undefined && data.skip !== false) {
      const why = typeof data.skip === "string" ? data.skip : "skipped without a reason"
      skipped.set(why, (skipped.get(why) ?? 0) + 1)
    }
  } else if (type === "test:fail") {
    failed++
    if (!verbose) console.log(failure(data.name, data.file, data.details.error))
  } else if (type === "test:summary" && data.file !== undefined && !verbose) {
    const { passed, skipped: left } = data.counts
    const mark = data.success ? "✔" : "✖"
    const counts = `${passed} passed${left > 0 ? `, ${left} skipped` : ""}`
    console.log(`${mark} ${short(data.file)} (${counts}, ${(data.duration_ms / 1000).toFixed(1)} s)`)
    if (!data.success) console.log((output.get(data.file) ?? []).join(""))
  }
}
if (verbose) reporter.end()

await removeEverythingOf(name)

if (skipped.size > 0) {
  console.log("\nleft out:")
  for (const [why, count] of skipped) console.log(`  ${count} ${count === 1 ? "test" : "tests"}: ${why}`)
  if (!values.all) console.log("hint: npm run test:all brings every service first, and skips nothing")
}
const count = (what: string) =>
  Number(summary.find((line) => line.startsWith(`${what} `))?.split(" ")[1] ?? Number.NaN)
const bad = failed > 0 || count("fail") !== 0 || count("cancelled") !== 0 || !(count("pass") > 0)
const incomplete = values.all && count("skipped") !== 0
if (incomplete) console.log("test: with --all nothing may be skipped")
console.log()
for (const line of summary) console.log(`ℹ ${line}`)
process.exit(bad || incomplete ? 1 : 0)

function failure(title: string, file: string | undefined, error: Error): string {
  // The runner wraps what a test threw.
  const cause = error.cause ?? error
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)
  return `✖ ${short(file ?? "")}: ${title}\n${text.replace(/^/gm, "    ")}\n`
}

function short(file: string): string {
  return relative(root, file)
}
