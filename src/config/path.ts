import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** A path of a configuration file, absolute: `~/` is the home directory, what is relative is so to `directory`. */
export function configPath(text: string, directory: string): string {
  if (text === "~" || text.startsWith("~/")) return join(homedir(), text.slice(1))
  return resolve(directory, text)
}
