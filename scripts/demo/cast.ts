import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { dirname, join, resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

/** The program of the demo: a script for Node, or an executable. */
const entry = process.env["PURSER_DEMO_ENTRY"] ?? resolve(import.meta.dirname, "../../bin/purser.js")
const [program, ...firstArguments] = /\.[cm]?js$/.test(entry) ? [process.execPath, entry] : [entry]
const patienceMs = 15_000

/** One JSON line of `purser agent --json`. */
export interface AgentLine {
  readonly type: string
  readonly status: string
}

export interface NodeProcess {
  readonly child: ChildProcess
  readonly address: string
}

/** Throws unless it holds: what the demo claims must have happened. */
export function expect(holds: boolean, claim: string): void {
  if (!holds) throw new Error(`this did not happen: ${claim}`)
}

/** The processes of the demo, all with one state directory, and the end of them. */
export class Cast {
  readonly #state: string
  readonly #children = new Set<ChildProcess>()
  readonly #said: string[] = []

  constructor(state: string) {
    this.#state = state
  }

  /** Runs a command to its end and resolves with what it wrote to stdout. */
  async purser(argv: readonly string[], input = ""): Promise<string> {
    const { code, stdout } = await this.#finish(argv, input)
    if (code !== 0) throw new Error(`purser ${argv.join(" ")} ended with exit code ${code}`)
    return stdout
  }

  /** Whether a command ends with a non-zero exit code. */
  async fails(argv: readonly string[]): Promise<boolean> {
    return (await this.#finish(argv, "")).code !== 0
  }

  /** One round of the agent; its lines, whatever the exit code. */
  async round(flags: readonly string[]): Promise<AgentLine[]> {
    const { stdout } = await this.#finish(["agent", ...flags, "--once", "--json"], "")
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as AgentLine)
  }

  /** Resolves once the agent has made its first delivery. */
  async startAgent(flags: readonly string[]): Promise<ChildProcess> {
    const child = this.#spawn(["agent", ...flags, "--json"])
    await this.#line(child, "stdout", /"type":"delivery"/)
    return child
  }

  /** Resolves once the agent runs, though there is nothing to deliver yet. */
  async startIdle(argv: readonly string[]): Promise<ChildProcess> {
    const child = this.#spawn([...argv, "--json"])
    await this.#line(child, "stderr", /audit head/)
    return child
  }

  /** Resolves once the node listens. */
  async startNode(name: string, enrolment: string, flags: readonly string[]): Promise<NodeProcess> {
    const child = this.#spawn(["node", "--name", name, "--listen", "127.0.0.1:0", ...flags], {
      PURSER_ENROL: enrolment,
    })
    const [, address = ""] = await this.#line(child, "stderr", /listening on ([\d.]+:\d+)/)
    return { child, address }
  }

  async stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    const killer = setTimeout(() => child.kill("SIGKILL"), 5000)
    await ended
    clearTimeout(killer)
  }

  /** Stops all that still runs. */
  async leave(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.stop(child)))
  }

  async until(holds: () => Promise<boolean>, what: string): Promise<void> {
    const end = performance.now() + patienceMs
    while (!(await holds().catch(() => false))) {
      if (performance.now() > end) throw new Error(`waited in vain for this: ${what}`)
      await delay(20)
    }
  }

  /** The end of what the processes wrote to stderr, for a demo that failed. */
  lastWords(): string[] {
    return this.#said.join("").split("\n").slice(-20)
  }

  #spawn(argv: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const { NODE_OPTIONS: _, ...inherited } = process.env
    const child = spawn(program ?? entry, [...firstArguments, ...argv], {
      // Node's cache of compiled code goes with the stage too.
      env: {
        ...inherited,
        PURSER_STATE: this.#state,
        XDG_CACHE_HOME: join(dirname(this.#state), "cache"),
        ...env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    })
    this.#children.add(child)
    child.once("exit", () => this.#children.delete(child))
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#said.push(text))
    child.stdout?.setEncoding("utf8")
    return child
  }

  async #finish(argv: readonly string[], input: string): Promise<{ code: number; stdout: string }> {
    const child = this.#spawn(argv)
    let stdout = ""
    child.stdout?.on("data", (text: string) => (stdout += text))
    child.stdin?.end(input)
    const [code] = (await once(child, "close")) as [number | null]
    return { code: code ?? 1, stdout }
  }

  async #line(child: ChildProcess, stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> {
    let text = ""
    const { promise, resolve: found, reject } = Promise.withResolvers<RegExpExecArray>()
    child[stream]?.on("data", (chunk: string) => {
      text += chunk
      const match = pattern.exec(text)
      if (match) found(match)
    })
    child.once("exit", (code) =>
      reject(new Error(`a process ended with exit code ${code} before it was ready`)),
    )
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${pattern.source}`)), patienceMs)
    return await promise.finally(() => clearTimeout(timer))
  }
}
