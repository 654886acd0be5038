import { readFile, stat } from "node:fs/promises"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"

/** Reads configuration files. It is separate from the parser, so that a command without a file does not load YAML. */

const maxFileBytes = 1024 * 1024

/** Reads the text of a configuration file. Throws `ERR_CONFIG`. */
export async function readConfigText(file: string): Promise<string> {
  let text: string
  try {
    const { size } = await stat(file)
    if (size > maxFileBytes) throw new Error(`it is larger than ${maxFileBytes} bytes`)
    text = await readFile(file, "utf8")
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") {
      throw new PurserError("ERR_CONFIG", `there is no ${file}`, { cause: error })
    }
    throw new PurserError("ERR_CONFIG", `cannot read ${file}: ${reasonOf(error)}`, { cause: error })
  }
  return text
}
