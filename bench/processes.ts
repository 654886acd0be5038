/** Whole processes, each started once a turn, so that what slows one turn slows all of them. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { median } from "./measure.ts"

export interface Program {
  readonly command: readonly [string, ...string[]]
  readonly env?: NodeJS.ProcessEnv
  /** Before each start, and not counted. */
  readonly prepare?: () => void
}

/** Milliseconds of each turn, by name. */
export type Turns = ReadonlyMap<string, readonly number[]>

/** The first turn fills caches and is not counted. Throws for a process that fails. */
export function inTurns(programs: Readonly<Record<string, Program>>, turns: number): Turns {
  const times = new Map<string, number[]>(Object.keys(programs).map((name) => [name, []]))
  for (let turn = 0; turn <= turns; turn++) {
    for (const [name, program] of Object.entries(programs)) {
      program.prepare?.()
      const begun = performance.now()
      start(program)
      if (turn > 0) times.get(name)?.push(performance.now() - begun)
    }
  }
  return times
}

/** The median of the ratios of each turn, which a machine that is busy in some turns changes least. */
export function pairedRatio(times: Turns, name: string, reference: string): number {
  const others = times.get(reference) ?? []
  return median((times.get(name) ?? []).map((time, turn) => time / (others[turn] ?? Number.NaN)))
}

/** The largest resident set of the process, in MiB; undefined where there is no time(1) of GNU's. */
export function peakMiB(program: Program): number | undefined {
  const time = "/usr/bin/time"
  if (!existsSync(time)) return undefined
  const directory = mkdtempSync(join(tmpdir(), "purser-bench-time-"))
  try {
    const out = join(directory, "kilobytes")
    program.prepare?.()
    start({ ...program, command: [time, "--format=%M", `--output=${out}`, ...program.command] })
    return Number(readFileSync(out, "utf8")) / 1024
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function start({ command: [file, ...argv], env }: Program): void {
  const { status, stderr, error } = spawnSync(file, argv, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${file} ${argv.join(" ")} ended with ${status}: ${String(stderr)}`)
}
