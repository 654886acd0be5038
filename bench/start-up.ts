import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { randomBytes } from "node:crypto"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { createIdentity } from "../src/channel/identity.ts"
import { createToken, formatEnrolment } from "../src/channel/enrolment.ts"
import { shellImage } from "../test/support/base-image.ts"
import { cleanUp, docker, labels } from "../test/support/docker.ts"
import { commitBefore, layBefore, receiverBefore } from "./before.ts"
import { median, type Row, type Section } from "./measure.ts"
import { inTurns, pairedRatio, peakMiB, type Program, type Turns } from "./processes.ts"

/** The start-up time of commands, and the cost of a node that waits for its agent. */

const root = resolve(import.meta.dirname, "..")
const receiver = join(root, "dist/purser-node.mjs")
const executable = join(root, `dist/exe/purser-linux-${process.arch}`)
const turns = Number(process.env["BENCH_TURNS"] ?? 21)

/** The command, what it is held against, and the ratio that we set out for. */
const commands = [
  { name: "--version", reference: "node -e 0", aim: "1.3" },
  { name: "secret ls", reference: "docker ps" },
  { name: "cp, by proc", reference: "docker cp", aim: "1" },
  { name: "agent --once, nothing to do", reference: "node -e 0" },
] as const

export async function measureStartUp(): Promise<Section> {
  for (const [file, script] of [
    [receiver, "build"],
    [executable, "build:exe"],
  ] as const)
    if (!existsSync(file)) throw new Error(`${file} is not there: npm run ${script} first`)
  const stage = mkdtempSync("/dev/shm/purser-bench-start-")
  try {
    const before = join(stage, "before")
    mkdirSync(before)
    const kinds: Record<string, readonly [string, ...string[]]> = {
      ...(layBefore(before) ? { before: [process.execPath, join(before, "bin/purser.js")] } : {}),
      source: [process.execPath, join(root, "bin/purser.js")],
      bundle: [process.execPath, join(root, "dist/image/bin/purser.js")],
      executable: [executable],
    }
    const programs = await programsFor(stage, kinds)
    const times = inTurns(programs, turns)
    const peaks = new Map(Object.entries(programs).map(([name, program]) => [name, peakMiB(program)]))
    const rest = await nodeAtRest()
    const size = existsSync(join(before, "bin")) ? receiverBefore(before) : undefined
    return {
      title: "Start-up and rest",
      text: `Whole processes, ${turns} of each in turns; a time is a median, and the number behind it the median of the ratios, turn by turn, to what stands under "against". "before" is the source at ${commitBefore}, "source" what is here now, "bundle" the package and the image, with compiled code in the cache, "executable" \`dist/exe\`. Peak memory is the largest resident set, pages of Node's own program included. The node at rest is \`dist/purser-node.mjs\` that listens and waits for its agent.`,
      rows: [
        ...commands.map((command) => timeRow(command, Object.keys(kinds), times)),
        ...referenceRows(times),
        ...commands.map(({ name }) => peakRow(name, Object.keys(kinds), peaks)),
        {
          what: "purser-node.mjs, size",
          figures: {
            ...(size === undefined ? {} : { before: `${(size / 1024).toFixed(1)} KiB` }),
            bundle: `${(statSync(receiver).size / 1024).toFixed(1)} KiB`,
            aim: "92 KiB",
          },
        },
        {
          what: "node at rest, resident memory",
          figures: { bundle: `${rest.residentMiB.toFixed(0)} MiB`, aim: "60 MiB" },
        },
        { what: "node, from start to listening", figures: { bundle: `${rest.readyMs.toFixed(0)} ms` } },
      ],
      ratios: commands.flatMap(({ name, reference }) =>
        ["bundle", "executable"].map((kind) => ({
          what: `${name} (${kind}), against ${reference}`,
          ratio: pairedRatio(times, `${kind} ${name}`, reference),
        })),
      ),
    }
  } finally {
    rmSync(stage, { recursive: true, force: true })
    await cleanUp()
  }
}

/** Every command in every kind, and what they are held against. */
async function programsFor(
  stage: string,
  kinds: Readonly<Record<string, readonly [string, ...string[]]>>,
): Promise<Record<string, Program>> {
  const container = await docker([
    "run",
    "--detach",
    ...labels,
    "--init",
    "--tmpfs=/run/secrets",
    await shellImage(),
    "sleep",
    "3600",
  ])
  const file = join(stage, "content")
  const fresh = (): void => writeFileSync(file, randomBytes(1024))
  const secret = join(stage, "secret")
  writeFileSync(secret, "swordfish")
  const argvOf = (kind: string): Record<(typeof commands)[number]["name"], readonly string[]> => ({
    "--version": ["--version"],
    "secret ls": ["secret", "ls"],
    "cp, by proc": ["cp", "--route", "proc", file, `${container}:/run/secrets/file`],
    "agent --once, nothing to do": [
      "agent",
      "--app",
      "web",
      "--secret",
      "one",
      "--directory",
      join(stage, `files-${kind}`),
      "--once",
    ],
  })
  const programs: Record<string, Program> = {
    "node -e 0": { command: [process.execPath, "-e", "0"] },
    "docker ps": { command: ["docker", "ps"] },
    "docker cp": { command: ["docker", "cp", file, `${container}:/tmp/file`], prepare: fresh },
    "age --version": { command: ["age", "--version"] },
  }
  for (const [kind, program] of Object.entries(kinds)) {
    // Not shared: an older program does not understand the state of a newer one.
    const env = { PURSER_STATE: join(stage, `state-${kind}`), XDG_CACHE_HOME: join(stage, "cache") }
    inTurns({ set: { command: [...program, "secret", "set", "one", "--file", secret], env } }, 0)
    for (const { name } of commands)
      programs[`${kind} ${name}`] = { command: [...program, ...argvOf(kind)[name]], env, prepare: fresh }
  }
  return programs
}

function timeRow(
  { name, reference, aim }: { name: string; reference: string; aim?: string },
  kinds: readonly string[],
  times: Turns,
): Row {
  const figures = kinds.map((kind): [string, string] => {
    const key = `${kind} ${name}`
    return [
      kind,
      `${median(times.get(key) ?? []).toFixed(0)} ms · ${pairedRatio(times, key, reference).toFixed(2)}`,
    ]
  })
  return {
    what: `purser ${name}`,
    figures: { ...Object.fromEntries(figures), against: reference, ...(aim === undefined ? {} : { aim }) },
  }
}

function referenceRows(times: Turns): Row[] {
  return ["node -e 0", "docker ps", "docker cp", "age --version"].map((name) => ({
    what: name,
    figures: { against: `${median(times.get(name) ?? []).toFixed(0)} ms` },
  }))
}

function peakRow(
  name: string,
  kinds: readonly string[],
  peaks: ReadonlyMap<string, number | undefined>,
): Row {
  const figures = kinds.flatMap((kind): [string, string][] => {
    const peak = peaks.get(`${kind} ${name}`)
    return peak === undefined ? [] : [[kind, `${peak.toFixed(0)} MiB`]]
  })
  return { what: `purser ${name}: peak memory`, figures: { ...Object.fromEntries(figures), aim: "80 MiB" } }
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
