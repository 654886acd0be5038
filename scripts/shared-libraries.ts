import { execFile } from "node:child_process"
import { realpath } from "node:fs/promises"
import { promisify } from "node:util"

/** Path that a program asks for → file here, of every shared library that it needs, its loader among them (Linux). */
export async function sharedLibraries(program: string): Promise<Map<string, string>> {
  const { stdout } = await promisify(execFile)("ldd", [program])
  const found = new Map<string, string>()
  for (const [path] of stdout.matchAll(/\/\S+(?= \(0x)/g)) found.set(path, await realpath(path))
  return found
}
