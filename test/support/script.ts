import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { TestContext } from "node:test"
import { pathToFileURL } from "node:url"
import { resolve } from "node:path"

/** A process of our own that a test may kill. */
export interface Child {
  readonly process: ChildProcess
  readonly pid: number
  /** Resolves with the next line that it prints; fails when it ends without. */
  line(): Promise<string>
  /** Resolves with its exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals>
}

/**
 * Runs TypeScript in a Node process of its own, in which `src(path)` is the URL of one of our files. Killed after
 * the test if it still runs.
 */
export function startScript(t: TestContext, code: string, args: readonly string[] = []): Child {
  const root = pathToFileURL(`${resolve(import.meta.dirname, "../../src")}/`).href
  const script = `const src = (path) => new URL(path, ${JSON.stringify(root)}).href\n${code}`
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script, "--", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const end = once(child, "exit").then(([status, by]) => (status ?? by) as number | NodeJS.Signals)
  t.after(async () => {
    child.kill("SIGKILL")
    await end
  })
  return {
    process: child,
    pid: child.pid ?? 0,
    async line() {
      const next = await lines.next()
      if (next.done === true) throw new Error(`the child ended with ${await end} and said nothing`)
      return next.value
    },
    ended: () => end,
  }
}
