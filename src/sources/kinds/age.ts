import { z } from "zod"
import { PurserError, isPurserError, reasonOf } from "../../base/errors.ts"
import { Secret } from "../../base/secret.ts"
import { configPath } from "../../config/path.ts"
import { filePath } from "../../config/scalars.ts"
import { ciphertextBytes, decryptAge, isAgeFile } from "../age-file.ts"
import { readIdentities } from "../age-identities.ts"
import { readBounded, tooLarge } from "../bounded-read.ts"
import type { SourceKind } from "../kind.ts"
import type { Source } from "../source.ts"

export interface AgeSpec {
  readonly kind: "age"
  readonly path: string
  readonly identityFile: string
}

const schema = z.strictObject({
  age: filePath.describe("a file encrypted with age, armored or not"),
  identity_file: filePath.describe("age identities that open it"),
})

export const ageKind: SourceKind<typeof schema, AgeSpec> = {
  name: "age",
  schema,
  resolve: ({ age, identity_file }, directory) => ({
    kind: "age",
    path: configPath(age, directory),
    identityFile: configPath(identity_file, directory),
  }),
  open: ({ maxBytes }) => ({ source: (spec) => ageSource(spec, maxBytes) }),
  missingHint: ({ path }) => `there is no ${path}`,
}

/** Reads one age file with the identities of an identity file. */
function ageSource({ path, identityFile }: AgeSpec, maxBytes: number): Source {
  return {
    async read() {
      const sealed = await readBounded(path, ciphertextBytes(maxBytes))
      if (sealed === null) return null
      const identities = await readIdentities(identityFile)
      if (!isAgeFile(sealed)) throw new PurserError("ERR_SOURCE", `${path} is not an age file`)
      const bytes = await decryptFile(path, sealed, identities)
      if (bytes.length > maxBytes) throw tooLarge(path, maxBytes)
      return new Secret(bytes)
    },
  }
}

async function decryptFile(path: string, sealed: Buffer, identities: readonly string[]): Promise<Buffer> {
  try {
    return await decryptAge(sealed, identities)
  } catch (error) {
    if (isPurserError(error)) throw error
    throw new PurserError("ERR_SOURCE", `${path} cannot be decrypted: ${reasonOf(error)}`, {
      hint: "encrypt it to a recipient whose identity is in identity_file",
      cause: error,
    })
  }
}
