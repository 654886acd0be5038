import assert from "node:assert/strict"
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { createSupervisor } from "../../src/node/supervise.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"

const fixtures = join(import.meta.dirname, "../fixtures")

interface Supervised {
  process: ChildProcess
  tell: (line: string) => void
  /** Waits until the child's diary holds these lines, in order. */
  saw: (...lines: string[]) => Promise<void>
  exitCode: Promise<number>
}

async function supervised(t: TestContext, { ending = "7", graceMs = 10_000 } = {}): Promise<Supervised> {
  const diary = join(await tempDir(t), "diary")
  const child = spawn(
    process.execPath,
    [
      join(fixtures, "supervised.ts"),
      String(graceMs),
      process.execPath,
      join(fixtures, "child.mjs"),
      diary,
      ending,
    ],
    { stdio: ["pipe", "ignore", "inherit"], env: { ...process.env, PURSER_ENROL: "purser1.web.x.y" } },
  )
  t.after(() => child.kill("SIGKILL"))
  const exitCode = once(child, "exit").then(([code]) => code as number)
  const tell = (line: string): void => void child.stdin?.write(`${line}\n`)
  tell("start")
  return {
    process: child,
    tell,
    exitCode,
    saw: async (...lines) => {
      await waitFor(lines.join(" "), () => readDiary(diary).join("\n") === lines.join("\n"))
    },
  }
}

function readDiary(file: string): string[] {
  try {
    return readFileSync(file, "utf8").trim().split("\n")
  } catch {
    return []
  }
}

test("the command runs without PURSER_ variables, and its exit code becomes ours", async (t) => {
  const { process: parent, saw, exitCode } = await supervised(t, { ending: "7" })
  await saw("start clean", "ready")
  parent.kill("SIGTERM")
  assert.equal(await exitCode, 7)
})

test("signals are forwarded to the command", async (t) => {
  const { process: parent, saw, exitCode } = await supervised(t)
  await saw("start clean", "ready")
  parent.kill("SIGHUP")
  await saw("start clean", "ready", "SIGHUP")
  parent.kill("SIGUSR2")
  await saw("start clean", "ready", "SIGHUP", "SIGUSR2")
  parent.kill("SIGTERM")
  await exitCode
})

test("a command ended by a signal gives 128 and the signal's number", async (t) => {
  const { process: parent, tell, saw, exitCode } = await supervised(t)
  await saw("start clean", "ready")
  tell("signal SIGKILL")
  assert.equal(await exitCode, 137)
  assert.equal(parent.exitCode, 137)
})

test("a restart stops the command, waits for its end, and starts it again", async (t) => {
  const { process: parent, tell, saw, exitCode } = await supervised(t)
  await saw("start clean", "ready")
  tell("restart")
  await saw("start clean", "ready", "SIGTERM", "start clean", "ready")
  parent.kill("SIGTERM")
  assert.equal(await exitCode, 7)
})

test("a command that ignores SIGTERM is killed after graceMs, and started again", async (t) => {
  const { tell, saw } = await supervised(t, { ending: "stubborn", graceMs: 200 })
  await saw("start clean", "ready")
  tell("restart")
  await saw("start clean", "ready", "SIGTERM", "start clean", "ready")
})

test("SIGTERM during a restart ends the node without starting the command again", async (t) => {
  const { process: parent, tell, saw, exitCode } = await supervised(t, { ending: "stubborn", graceMs: 500 })
  await saw("start clean", "ready")
  tell("restart")
  await saw("start clean", "ready", "SIGTERM")
  parent.kill("SIGTERM")
  assert.equal(await exitCode, 143)
  await saw("start clean", "ready", "SIGTERM", "SIGTERM")
})

test("a command that does not exist is an error with its name", async (t) => {
  const dir = await tempDir(t)
  await using supervisor = createSupervisor({ command: [join(dir, "no-such")], env: {}, log: silentLog })
  await assert.rejects(
    supervisor.start(),
    (error) => isPurserError(error, "ERR_CHILD") && error.message.includes("no-such"),
  )
})
