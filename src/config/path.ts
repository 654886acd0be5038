import { homedir } from "node:os"
import { join, resolve } from "node:path"

/**
 * Makes a path of a configuration file absolute: `~/` is the home directory, and a relative path starts at `directory`.
 */
export function configPath(text: string, directory: string): string {
  if (text === "~" || text.startsWith("~/")) return join(homedir(), text.slice(1))
  return resolve(directory, text)
}
