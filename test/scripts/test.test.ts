import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test, type TestContext } from "node:test"
import { pathToFileURL } from "node:url"
import { tempDir } from "../support/temp.ts"

const runner = resolve(import.meta.dirname, "../../scripts/test.ts")

interface Outcome {
  readonly code: number
  readonly lines: string[]
}

/** Runs the runner on a test file of this content. */
async function outcome(t: TestContext, content: string, all = false, args: string[] = []): Promise<Outcome> {
  const file = join(await tempDir(t), "sample.test.ts")
  await writeFile(file, `import { test } from "node:test"\n${content}\n`)
  const { PURSER_TEST_ALL: _all, NODE_TEST_CONTEXT: _context, ...env } = process.env
  const { promise, resolve: done } = Promise.withResolvers<Outcome>()
  execFile(
    process.execPath,
    [runner, file, ...args],
    { env: all ? { ...env, PURSER_TEST_ALL: "1" } : env },
    (error, stdout) => done({ code: Number(error?.code ?? 0), lines: stdout.trimEnd().split("\n") }),
  )
  return promise
}

/** The summary's lines, which must be the last. */
function summary({ lines }: Outcome): Record<string, string> {
  const last = lines.slice(-8).map((line) => /^ℹ (\w+) ([\d.]+)$/.exec(line))
  return Object.fromEntries(last.map((match) => [match?.[1], match?.[2]]))
}

test("ends with the runner's summary, and with 0 when all passed", async (t) => {
  const result = await outcome(t, 'test("a", () => {}); test("b", () => {})')
  assert.equal(result.code, 0)
  const { tests, pass, fail, skipped } = summary(result)
  assert.deepEqual({ tests, pass, fail, skipped }, { tests: "2", pass: "2", fail: "0", skipped: "0" })
})

test("ends with 1 when a test failed, or the file cannot be loaded", async (t) => {
  const failing = await outcome(t, 'test("a", () => { throw new Error("the reason") })')
  assert.equal(failing.code, 1)
  assert.equal(summary(failing)["fail"], "1")
  assert.ok(failing.lines.some((line) => line.includes("the reason")))
  assert.equal((await outcome(t, 'import "./missing.ts"')).code, 1)
})

test("names what was left out and why", async (t) => {
  const result = await outcome(
    t,
    'test("a", (t) => t.skip("needs docker: it is not installed")); test("b", () => {})',
  )
  assert.equal(result.code, 0)
  assert.ok(result.lines.includes("  1 test: needs docker: it is not installed"), result.lines.join("\n"))
})

test("a skipped test is a failure where nothing may be skipped", async (t) => {
  const result = await outcome(t, 'test("a", { skip: true }, () => {}); test("b", () => {})', true)
  assert.equal(result.code, 1)
  assert.equal(summary(result)["skipped"], "1")
})

test("no test at all is a failure", async (t) => {
  assert.equal((await outcome(t, 'test("a", { skip: true }, () => {})')).code, 1)
})

test("a test that hangs fails by its name, says what it waited for and what it had started, and is ended", async (t) => {
  const support = pathToFileURL(resolve(import.meta.dirname, "../support")).href
  const hanging = `
    import { spawn } from "node:child_process"
    import { waitFor } from "${support}/wait.ts"
    test("waits", async (t) => {
      const child = spawn("sh", ["-c", "echo this is the child; sleep 60"])
      t.after(() => child.kill())
      await waitFor("what never comes", () => false, { timeoutMs: 1e6 })
    })`
  const result = await outcome(t, hanging, false, ["--timeout=4"])
  assert.equal(result.code, 1)
  assert.equal(summary(result)["pass"], "0")
  const text = result.lines.join("\n")
  assert.match(text, /✖ waits/)
  assert.match(text, /"waits" timed out:\nwaiting for what never comes since/)
  assert.match(text, /process \d+, running since .*: sh -c .*\n {2}\| this is the child/)
})

test("a file that never ends is ended, counts as failed, and says why it did not end", async (t) => {
  const cases: [content: string, why: RegExp][] = [
    [
      'test("spins", () => { for (;;); })',
      /the file was ended after 2 s: it was loading all the time, or it spins/,
    ],
    [
      'test("passes", () => {}); setInterval(() => {}, 1000)',
      /the file's time is up:[^]*open: .*Timeout[^]*ended after 1 s, though no test ran any more/,
    ],
    [
      `for (const name of ["one", "two"]) test(name, () => new Promise((done) => setTimeout(done, 700)))`,
      /ended after 1 s, in the middle of "(?:one|two)"/,
    ],
  ]
  for (const [content, why] of cases) {
    const { code, lines } = await outcome(t, content, false, ["--timeout=1"])
    assert.equal(code, 1)
    assert.match(lines.join("\n"), why)
  }
})

test("a soak names what failed and in which of the runs, and skips nothing", async (t) => {
  const twice = `
    import { existsSync, writeFileSync } from "node:fs"
    test("fails the second time", () => {
      const mark = new URL("ran", import.meta.url)
      if (existsSync(mark)) throw new Error("again")
      writeFileSync(mark, "")
    })
    test("never fails", () => {})`
  const { code, lines } = await outcome(t, twice, false, ["--soak", "--runs=3"])
  assert.equal(code, 1)
  const text = lines.join("\n")
  assert.match(text, /✖ .*sample\.test\.ts: fails the second time \(failed in run 2, 3 of 3\)\n/)
  assert.doesNotMatch(text, /never fails/)
  assert.equal((await outcome(t, 'test("a", () => {})', false, ["--soak", "--runs=2"])).code, 0)
  const skipping = await outcome(t, 'test("a", () => {}); test("b", (t) => t.skip("needs x"))', false, [
    "--soak",
  ])
  assert.equal(skipping.code, 1, "nothing may be skipped")
  assert.equal((await outcome(t, "", false, ["--soak", "--runs=none"])).code, 2)
})
