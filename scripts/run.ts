import { spawn } from "node:child_process"
import { delimiter, dirname, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const binaries = join(root, "node_modules", ".bin")

/**
 * Runs a program of node_modules/.bin, or of the PATH, in the repository's root. Resolves with its exit
 * code, 128 and more for a signal. With `quiet` its output is shown only when it fails.
 */
export async function run(
  command: string,
  args: readonly string[],
  { quiet = false, env = {} }: { quiet?: boolean; env?: Record<string, string> } = {},
): Promise<number> {
  // This very Node first, for what starts `node`: it need not be the one in the PATH.
  const path = [binaries, dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter)
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, PATH: path, ...env },
    stdio: ["ignore", quiet ? "pipe" : "inherit", quiet ? "pipe" : "inherit"],
    shell: process.platform === "win32",
  })
  const output: Buffer[] = []
  child.stdout?.on("data", (chunk: Buffer) => output.push(chunk))
  child.stderr?.on("data", (chunk: Buffer) => output.push(chunk))
  const { promise, resolve: ended, reject } = Promise.withResolvers<number>()
  child.on("error", reject).on("close", (code) => ended(code ?? 128))
  const code = await promise
  if (code !== 0) process.stdout.write(Buffer.concat(output))
  return code
}
