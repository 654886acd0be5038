import { PurserError } from "../../base/errors.ts"
import { Secret } from "../../base/secret.ts"
import { readBounded } from "../bounded-read.ts"

/** Reads a passphrase file, without the newline that editors put at its end. Throws `ERR_STORE`. */
export async function readPassphrase(file: string): Promise<Secret> {
  const bytes = await readBounded(file, 65_536)
  const text = bytes?.toString("utf8").replace(/\r?\n$/, "") ?? ""
  if (text !== "") return new Secret(text)
  throw new PurserError(
    "ERR_STORE",
    bytes === null ? `there is no passphrase file ${file}` : `the passphrase file ${file} is empty`,
  )
}
