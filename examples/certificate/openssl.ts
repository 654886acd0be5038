import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)

/** Runs the openssl program; nothing that it prints is a secret here, since keys go from file to file. */
export async function openssl(...args: readonly string[]): Promise<string> {
  const { stdout } = await run("openssl", [...args])
  return stdout
}
