import { mkdirSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { openState, type State } from "../../src/state/state.ts"
import { tempDir } from "../support/temp.ts"
import { purser, type RunOptions, type RunResult } from "./purser.ts"

/** A fresh directory to call the program in, and a state directory beside it. */
export interface StatePlace {
  readonly dir: string
  readonly stateDir: string
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<RunResult>
  /** Runs a command that must succeed. Resolves with its stdout. */
  readonly ok: (...args: string[]) => Promise<string>
  readonly withState: <T>(work: (state: State) => T) => T
  /** The lines of the audit log. */
  readonly audit: () => Promise<Record<string, unknown>[]>
}

export async function statePlace(t: TestContext): Promise<StatePlace> {
  const dir = await tempDir(t)
  const stateDir = join(dir, "state")
  const run: StatePlace["run"] = (args, { env, ...options } = {}) =>
    purser(args, { cwd: dir, env: { PURSER_STATE: stateDir, ...env }, ...options })
  return {
    dir,
    stateDir,
    run,
    async ok(...args) {
      const { code, stdout, stderr } = await run(args)
      if (code !== 0) throw new Error(`purser ${args.join(" ")} ended with ${code}: ${stderr}`)
      return stdout
    },
    withState(work) {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 })
      using state = openState(stateDir)
      return work(state)
    },
    async audit() {
      const text = await readFile(join(stateDir, "audit.log"), "utf8")
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    },
  }
}
