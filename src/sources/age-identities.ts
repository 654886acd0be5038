import { PurserError } from "../base/errors.ts"
import { parseIdentities } from "./age-file.ts"
import { readBounded } from "./bounded-read.ts"

const maxIdentityBytes = 65_536

/** Reads the identities of an age identity file. Throws `ERR_SOURCE`. */
export async function readIdentities(file: string): Promise<string[]> {
  const bytes = await readBounded(file, maxIdentityBytes)
  if (bytes === null) throw new PurserError("ERR_SOURCE", `there is no identity file ${file}`)
  return parseIdentities(bytes.toString("utf8"), file)
}
