import { spawn } from "node:child_process"
import { once } from "node:events"
import { resolve } from "node:path"
import { text } from "node:stream/consumers"

/** The path of the program that a user starts. */
export const bin = resolve(import.meta.dirname, "../../bin/purser.js")

export interface RunOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** The text for standard input. Default: empty. */
  input?: string | Uint8Array
  /** The program and its first arguments. Default: Node with {@link bin}. */
  program?: readonly [string, ...string[]]
}

export interface RunResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `purser ARGS…` to its end, without any PURSER_* of our own environment. */
export async function purser(
  args: readonly string[],
  { cwd, env = {}, input = "", program = [process.execPath, bin] }: RunOptions = {},
): Promise<RunResult> {
  const own = Object.entries(process.env).filter(
    ([key]) => !key.startsWith("PURSER_") && key !== "NODE_TEST_CONTEXT",
  )
  const [command, ...first] = program
  const child = spawn(command, [...first, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...Object.fromEntries(own), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  })
  // A command that does not read its input may be gone before we have written it.
  child.stdin.on("error", () => {})
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}
