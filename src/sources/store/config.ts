import { z } from "zod"
import { configPath } from "../../config/path.ts"
import { filePath } from "../../config/scalars.ts"

/** The slice of `purser.yaml` under `store:`. */

/** The encryption of Purser's own store; without any key by `store.key` in the state directory. */
export interface StoreConfig {
  /** Absolute path of the file with the passphrase of `store.key`. */
  readonly passphraseFile: string | undefined
  /** The user's own age recipients, instead of `store.key`. */
  readonly recipients: readonly string[] | undefined
  /** Absolute path of the identities that decrypt what is encrypted to `recipients`. */
  readonly identityFile: string | undefined
}

export const storeSchema = z
  .strictObject({
    passphrase_file: filePath.optional().describe("holds the passphrase of store.key"),
    recipients: z
      .array(z.string().regex(/^age1[0-9a-z]{10,}$/, { error: "not an age recipient" }))
      .min(1)
      .optional()
      .describe("your own age recipients (age1…), instead of store.key"),
    identity_file: filePath
      .optional()
      .describe("age identities that decrypt what is encrypted to recipients"),
  })
  .superRefine((store, context) => {
    if ((store.recipients === undefined) === (store.identity_file === undefined)) return
    const [has, lacks] =
      store.recipients === undefined ? ["identity_file", "recipients"] : ["recipients", "identity_file"]
    context.addIssue({ code: "custom", message: `${has} needs ${lacks} beside it` })
  })
  .describe("how Purser's own store is encrypted")

/** Resolves the slice; relative paths are relative to `directory`. */
export function resolveStore(store: z.infer<typeof storeSchema>, directory: string): StoreConfig {
  const absolute = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : configPath(text, directory)
  return {
    passphraseFile: absolute(store.passphrase_file),
    recipients: store.recipients,
    identityFile: absolute(store.identity_file),
  }
}
