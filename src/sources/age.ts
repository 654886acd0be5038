import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { Secret } from "../base/secret.ts"
import { ciphertextBytes, decryptAge, isAgeFile, parseIdentities } from "./age-file.ts"
import { readBounded, tooLarge } from "./bounded-read.ts"
import type { Source } from "./source.ts"

const maxIdentityBytes = 65_536

/** One age file, and an identity file that opens it. */
export function ageSource(path: string, identityFile: string, maxBytes: number): Source {
  return {
    kind: "age",
    async read() {
      const sealed = await readBounded(path, ciphertextBytes(maxBytes))
      if (sealed === null) return null
      const identities = await readIdentities(identityFile)
      if (!isAgeFile(sealed)) throw new PurserError("ERR_SOURCE", `${path} is not an age file`)
      const bytes = await decrypted(path, sealed, identities)
      if (bytes.length > maxBytes) throw tooLarge(path, maxBytes)
      return new Secret(bytes)
    },
  }
}

/** Throws `ERR_SOURCE`. */
export async function readIdentities(file: string): Promise<string[]> {
  const bytes = await readBounded(file, maxIdentityBytes)
  if (bytes === null) throw new PurserError("ERR_SOURCE", `there is no identity file ${file}`)
  return parseIdentities(bytes.toString("utf8"), file)
}

async function decrypted(path: string, sealed: Buffer, identities: readonly string[]): Promise<Buffer> {
  try {
    return await decryptAge(sealed, identities)
  } catch (error) {
    if (isPurserError(error)) throw error
    throw new PurserError("ERR_SOURCE", `${path} cannot be decrypted: ${reasonOf(error)}`, {
      hint: "was it encrypted to a recipient whose identity is in identity_file?",
      cause: error,
    })
  }
}
