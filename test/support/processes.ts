import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { join, resolve } from "node:path"
import type { TestContext } from "node:test"
import { text } from "node:stream/consumers"
import type { Place } from "./leaks.ts"
import { situation, waitingFor } from "./situation.ts"
import { tempDir } from "./temp.ts"

/** The program as a user starts it, several of it at a time, with one state directory. */

const bin = resolve(import.meta.dirname, "../../bin/purser.js")
const patienceMs = 20_000

export interface StartOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
}

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process that runs. */
export class Running {
  readonly child: ChildProcess
  /** The exit code, or null where a signal ended it. */
  readonly exited: Promise<number | null>
  readonly #argv: readonly string[]
  #stdout = ""
  #stderr = ""
  #changed = Promise.withResolvers<void>()

  constructor(child: ChildProcess, argv: readonly string[]) {
    this.child = child
    this.#argv = argv
    child.stdout?.setEncoding("utf8").on("data", (part: string) => {
      this.#stdout += part
      this.#tell()
    })
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      this.#stderr += part
      this.#tell()
    })
    this.exited = once(child, "close").then(([code]) => {
      this.#tell()
      return code as number | null
    })
  }

  #tell(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** Resolves once what it wrote matches; fails when it ends before, or takes too long. */
  async wrote(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> {
    const end = performance.now() + patienceMs
    for (;;) {
      const match = pattern.exec(this[stream])
      if (match !== null) return match
      const over = this.child.exitCode !== null || this.child.signalCode !== null
      if (over || performance.now() > end) {
        throw new Error(
          `purser ${this.#argv.join(" ").slice(0, 200)} ${over ? "ended" : "ran on"} without writing ${pattern}\n${await situation()}`,
        )
      }
      const timer = setTimeout(() => this.#tell(), 1000)
      await this.#changed.promise
      clearTimeout(timer)
    }
  }

  /** The objects of its standard output, with --json. */
  lines(): Record<string, unknown>[] {
    return this.#stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.child.kill(signal)
    return await waitingFor(`process ${this.pid} to end by ${signal}`, this.exited)
  }
}

export interface RunningNode extends Running {
  readonly address: string
  readonly port: number
}

export interface Processes {
  readonly base: string
  readonly stateDir: string
  /** Everything that processes of this test wrote, for the leak sweep. */
  readonly said: readonly Place[]
  /** Runs a command to its end. */
  readonly run: (argv: readonly string[], options?: StartOptions & { input?: string }) => Promise<Result>
  /** Runs a command that must succeed, and resolves with its standard output. */
  readonly purser: (argv: readonly string[], input?: string) => Promise<string>
  readonly start: (argv: readonly string[], options?: StartOptions) => Running
  /** Resolves once the node listens. */
  readonly node: (enrolment: string, argv: readonly string[], options?: StartOptions) => Promise<RunningNode>
}

/** Whatever still runs after the test is killed. */
export async function processes(t: TestContext): Promise<Processes> {
  const running = new Set<Running>()
  const said: Place[] = []
  // Before the directory's removal: hooks run in the order in which they were added.
  t.after(async () => {
    for (const one of running) one.child.kill("SIGKILL")
    await Promise.all([...running].map(({ exited }) => exited))
  })
  const base = await tempDir(t)
  const stateDir = join(base, "state")
  const spawnPurser = (argv: readonly string[], { cwd = base, env = {} }: StartOptions): ChildProcess =>
    spawn(process.execPath, [bin, ...argv], {
      cwd,
      env: { ...ownEnvironment(), PURSER_STATE: stateDir, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    })

  const start = (argv: readonly string[], options: StartOptions = {}): Running => {
    const child = spawnPurser(argv, options)
    child.stdin?.on("error", () => {}).end()
    const one = new Running(child, argv)
    running.add(one)
    void one.exited.then(() => {
      running.delete(one)
      said.push({ name: `stdout of ${argv.join(" ")}`, content: one.stdout })
      said.push({ name: `stderr of ${argv.join(" ")}`, content: one.stderr })
    })
    return one
  }
  const run: Processes["run"] = async (argv, { input = "", ...options } = {}) => {
    const child = spawnPurser(argv, options)
    // A command that does not read its input may be gone before we have written it.
    child.stdin?.on("error", () => {}).end(input)
    const [stdout, stderr, [code]] = await Promise.all([
      child.stdout === null ? "" : text(child.stdout),
      child.stderr === null ? "" : text(child.stderr),
      once(child, "close") as Promise<[number | null]>,
    ])
    said.push({ name: `stdout of ${argv.join(" ")}`, content: stdout })
    said.push({ name: `stderr of ${argv.join(" ")}`, content: stderr })
    return { code, stdout, stderr }
  }
  return {
    base,
    stateDir,
    said,
    run,
    async purser(argv, input = "") {
      const { code, stdout, stderr } = await run(argv, { input })
      if (code !== 0) throw new Error(`purser ${argv.join(" ")} ended with ${code}: ${stderr}`)
      return stdout.trim()
    },
    start,
    async node(enrolment, argv, { env, ...options } = {}) {
      const node = start(["node", "--listen", "127.0.0.1:0", ...argv], {
        ...options,
        env: { PURSER_STATE: undefined, PURSER_ENROL: enrolment, ...env },
      })
      const [, address = "", port] = await node.wrote("stderr", /listening on ([\d.]+:(\d+))/)
      return Object.assign(node, { address, port: Number(port) })
    },
  }
}

/** Ours without what is meant for this program or for the test runner. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([key]) => !key.startsWith("PURSER_") && key !== "NODE_TEST_CONTEXT" && key !== "NODE_OPTIONS",
    ),
  )
}
