import { realpathSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { sep } from "node:path"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { parseEnrolment, type Enrolment } from "../../channel/enrolment.ts"
import type { Given } from "./given.ts"

/**
 * Reads the enrolment string from a file or a variable, never from an argument, because every process on the host can see
 * arguments. The file may not be in `directory`, which the node writes to. Throws `ERR_ENROLMENT` and `ERR_USAGE`.
 */
export async function readEnrolment(given: Given, directory: string): Promise<Enrolment> {
  const file = given.text("enrol-file")
  const text = given.variable("ENROL")
  if (file !== undefined) {
    if (isBelow(file, directory)) {
      throw new PurserError(
        "ERR_USAGE",
        `the enrolment string's file ${file} is in ${directory}, which this node writes to`,
        {
          hint: "keep it elsewhere, for example as a Docker secret under another path or in PURSER_ENROL",
        },
      )
    }
    return parseEnrolment((await readText(file)).trim())
  }
  if (text === undefined) {
    throw new PurserError("ERR_ENROLMENT", "no enrolment string", {
      hint: "run `purser enrol APP` where the agent is, and set PURSER_ENROL or PURSER_ENROL_FILE here",
    })
  }
  return parseEnrolment(text.trim())
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch (error) {
    throw new PurserError("ERR_ENROLMENT", `cannot read ${file}: ${reasonOf(error)}`, {
      hint: "the file holds what `purser enrol APP` printed; PURSER_ENROL takes the string itself",
      cause: error,
    })
  }
}

function isBelow(file: string, directory: string): boolean {
  try {
    return realpathSync(file).startsWith(realpathSync(directory) + sep)
  } catch {
    return false
  }
}
