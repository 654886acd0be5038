import { spawn, spawnSync } from "node:child_process"
import { createInterface } from "node:readline"
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { createIdentity } from "../src/channel/identity.ts"
import { createToken, formatEnrolment } from "../src/channel/enrolment.ts"
import { median, type Section } from "./measure.ts"

/** The start-up time of commands, and the cost of a node that waits for its agent. */

const root = resolve(import.meta.dirname, "..")
const receiver = join(root, "dist/purser-node.mjs")
const turns = 21

export async function measureStartUp(): Promise<Section> {
  if (!existsSync(receiver)) throw new Error("dist/ is not there: npm run build first")
  const commands: Record<string, readonly string[]> = {
    floor: ["-e", "0"],
    version: [join(root, "bin/purser.js"), "--version"],
    help: [join(root, "bin/purser.js"), "--help"],
    receiver: [receiver, "--help"],
  }
  const times: Record<string, number[]> = {}
  // Measured in turns, because the machine's speed drifts; the first turn fills the compile cache and is not counted.
  for (let turn = 0; turn <= turns; turn++) {
    for (const [name, argv] of Object.entries(commands)) {
      const begun = performance.now()
      spawnSync(process.execPath, argv, { stdio: "ignore" })
      if (turn > 0) (times[name] ??= []).push(performance.now() - begun)
    }
  }
  const floor = median(times["floor"] ?? [])
  const row = (what: string, name: string, aim?: string) => {
    const time = median(times[name] ?? [])
    return {
      what,
      figures: {
        "against node -e 0": (time / floor).toFixed(2),
        median: `${time.toFixed(0)} ms`,
        ...(aim === undefined ? {} : { aim }),
      },
    }
  }
  const rest = await nodeAtRest()
  return {
    title: "Start-up and rest",
    text: `Whole processes of the built package, ${turns} of each in turns, against \`node -e 0\` of the same Node. The node at rest is \`dist/purser-node.mjs\` that listens and waits for its agent.`,
    rows: [
      row("purser --version", "version", "2"),
      row("purser --help", "help"),
      row("purser-node.mjs --help", "receiver"),
      {
        what: "node at rest, resident memory",
        figures: { median: `${rest.residentMiB.toFixed(0)} MiB`, aim: "60 MiB" },
      },
      {
        what: "node, from start to listening",
        figures: {
          median: `${rest.readyMs.toFixed(0)} ms`,
          "against node -e 0": (rest.readyMs / floor).toFixed(2),
        },
      },
    ],
    ratios: [{ what: "purser --version, against node -e 0", ratio: median(times["version"] ?? []) / floor }],
  }
}

async function nodeAtRest(): Promise<{ residentMiB: number; readyMs: number }> {
  const enrolment = formatEnrolment({ app: "bench", agentPins: [createIdentity().pin], token: createToken() })
  const ready: number[] = []
  const resident: number[] = []
  for (let turn = 0; turn < 5; turn++) {
    const begun = performance.now()
    const child = spawn(
      process.execPath,
      [receiver, "--listen", "127.0.0.1:0", "--directory", "/dev/shm/purser-bench-rest"],
      {
        env: { ...process.env, PURSER_ENROL: enrolment },
        stdio: ["ignore", "ignore", "pipe"],
      },
    )
    for await (const line of createInterface({ input: child.stderr }))
      if (line.includes("listening on")) break
    ready.push(performance.now() - begun)
    resident.push(residentMiB(child.pid ?? 0))
    child.kill("SIGTERM")
  }
  return { residentMiB: median(resident), readyMs: median(ready) }
}

export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024
}
