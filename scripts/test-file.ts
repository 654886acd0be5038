import { relative, resolve } from "node:path"
import { run as runTests } from "node:test"
import { inspect } from "node:util"

const root = resolve(import.meta.dirname, "..")
const onTimeout = new URL("../test/support/on-timeout.ts", import.meta.url).href
export interface FileOptions {
  /** For the file as a whole. A test has three quarters of it, so that the test which hangs is named. */
  readonly timeoutMs: number
  /** Picks tests by title. */
  readonly only: string | undefined
  /** Tells every test, and not only what fails. */
  readonly verbose: boolean
}

/** As the runner itself counts them, in its order. */
export interface Counts {
  tests: number
  suites: number
  pass: number
  fail: number
  cancelled: number
  skipped: number
  todo: number
}

export interface FileResult {
  readonly counts: Counts
  /** Titles of the tests that failed; the file's own path where it failed as a whole. */
  readonly failed: readonly string[]
  /** Reasons why tests were skipped, one for each. */
  readonly skipped: readonly string[]
}

/**
 * Runs one test file in a process of its own and prints how it went. The runner's own `timeout` is each test's, and a
 * file whose timers or sockets stay open would never end: so a signal of its own ends the process.
 */
export async function runFile(file: string, options: FileOptions): Promise<FileResult> {
  const path = relative(root, file)
  const limit = new AbortController()
  const endAfter = (ms: number): NodeJS.Timeout => setTimeout(() => limit.abort(), ms)
  // Loading takes its time on a busy machine: the file's own begins with the first test.
  let timer = endAfter(2 * options.timeoutMs)
  let isLoaded = false
  const running = new Set<string>()
  const lines: string[] = []
  const result = { counts: noCounts(), failed: [] as string[], skipped: [] as string[] }

  process.env["PURSER_TEST_FILE_MS"] = String(options.timeoutMs)
  const events = runTests({
    files: [file],
    cwd: root,
    execArgv: ["--import", onTimeout],
    timeout: options.timeoutMs * 0.75,
    signal: limit.signal,
    ...(options.only === undefined ? {} : { testNamePatterns: [options.only] }),
  })
  for await (const { type, data } of events) {
    if (type === "test:dequeue" && data.name !== file) {
      running.add(data.name)
      if (!isLoaded) {
        clearTimeout(timer)
        timer = endAfter(options.timeoutMs)
        isLoaded = true
      }
    } else if (type === "test:complete") {
      running.delete(data.name)
    } else if (type === "test:stdout" || type === "test:stderr") {
      lines.push(data.message.trimEnd())
    } else if (type === "test:pass" && data.skip !== undefined && data.skip !== false) {
      const why = typeof data.skip === "string" && data.skip !== "" ? data.skip : "skipped without a reason"
      result.skipped.push(why)
      if (options.verbose) lines.push(`  ﹣ ${data.name}: ${why}`)
    } else if (type === "test:pass" && options.verbose) {
      lines.push(`  ✔ ${data.name} (${data.details.duration_ms.toFixed(0)} ms)`)
    } else if (type === "test:fail") {
      const error =
        limit.signal.aborted && data.name === file
          ? outOfTime(options, isLoaded ? running : null)
          : data.details.error
      lines.push(`  ✖ ${data.name}\n${reason(error).replace(/^/gm, "      ")}`)
      if (!isBySubtests(error)) result.failed.push(data.name === file ? path : data.name)
    } else if (type === "test:summary" && data.file === undefined) {
      const { tests, suites, passed, failed, cancelled, skipped, todo } = data.counts
      result.counts = { tests, suites, pass: passed, fail: failed ?? 0, cancelled, skipped, todo }
      const aside = skipped > 0 ? `, ${skipped} skipped` : ""
      const seconds = (data.duration_ms / 1000).toFixed(1)
      console.log(`${data.success ? "✔" : "✖"} ${path} (${passed} passed${aside}, ${seconds} s)`)
      if (!data.success || options.verbose) for (const line of lines) console.log(line)
    }
  }
  clearTimeout(timer)
  return result
}

export function noCounts(): Counts {
  return { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
}

/** `running` is null where the process has said nothing: what spins does not even tell that it has begun. */
function outOfTime({ timeoutMs }: FileOptions, running: ReadonlySet<string> | null): string {
  if (running === null)
    return `the file was ended after ${(2 * timeoutMs) / 1000} s: it was loading all the time, or it spins`
  const what = [...running].map((name) => `"${name}"`).join(", ")
  return (
    `the file was ended after ${timeoutMs / 1000} s, ` +
    (what === ""
      ? "though no test ran any more: something keeps its process open"
      : `in the middle of ${what}`)
  )
}

function isBySubtests(error: unknown): boolean {
  return (error as { readonly failureType?: unknown }).failureType === "subtestsFailed"
}

/** The error that the test threw, which the runner wraps. */
function reason(error: unknown): string {
  if (typeof error === "string") return error
  const cause = error instanceof Error ? (error.cause ?? error) : error
  return cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)
}
