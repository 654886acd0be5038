import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { test } from "node:test"
import { startBusyLoops } from "../../scripts/busy-loops.ts"
import { startScript } from "../support/script.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"

/** The loops that a process has started, by the argument that names it. */
function loopsOf(pid: number): string[] {
  return readdirSync("/proc").filter((entry) => {
    try {
      return (
        readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(`process.ppid === parent`) &&
        readFileSync(`/proc/${entry}/cmdline`, "utf8").endsWith(`\0${pid}\0`)
      )
    } catch {
      return false
    }
  })
}

test("as many loops as asked for run until they are disposed of", async (t) => {
  if (!(await requireService(t, "linux"))) return
  {
    await using _ = startBusyLoops(3)
    await waitFor("the loops", () => loopsOf(process.pid).length === 3)
  }
  assert.deepEqual(loopsOf(process.pid), [])
})

test("a loop ends with who started it, also when that was killed", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const script = `
    const { startBusyLoops } = await import(src("../scripts/busy-loops.ts"))
    startBusyLoops(1)
    process.stdin.resume()`
  const child = startScript(t, script)
  await waitFor("the loop", () => loopsOf(child.pid).length === 1)
  child.process.kill("SIGKILL")
  await waitFor("the loop's end", () => loopsOf(child.pid).length === 0)
})
