import type { KeyObject, X509Certificate } from "node:crypto"
import { PurserError, systemErrorCode } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Secret } from "../../base/secret.ts"
import { isFileOpenToOthers, readPrivate, readText, writeNew, writing } from "../files.ts"
import { openKey } from "../keys.ts"
import type { AuthorityFiles } from "./files.ts"

/** The location of the root's key: in `ca/`, or a file on a medium that is attached only when needed. */
export interface RootKeyLocation {
  readonly files: AuthorityFiles
  /** Undefined: in `ca/`. */
  readonly rootKeyFile: string | undefined
  readonly log: Log
}

/** Opens the root's key. Throws `ERR_CA` if it is missing or belongs to another root, and `ERR_PASSPHRASE`. */
export async function openRootKey(
  location: RootKeyLocation,
  root: X509Certificate,
  passphrase: () => Promise<Secret>,
): Promise<KeyObject> {
  const { files, rootKeyFile = files.path("root.key") } = location
  const sealed = await readSealed(location)
  if (sealed === null) {
    throw new PurserError("ERR_CA", `the root's key is not in ${rootKeyFile}`, {
      hint: "it is needed to sign an intermediate: give its file with --root-key FILE",
    })
  }
  const key = await openKey(sealed, await passphrase(), `the root's key ${rootKeyFile}`)
  if (root.checkPrivateKey(key)) return key
  throw new PurserError("ERR_CA", `the key ${rootKeyFile} belongs to another root`, {
    hint: `the root of this CA is ${files.path("root.crt")}`,
  })
}

/** Writes the encrypted key into a new file. Throws `ERR_CA` if the file exists. */
export async function writeRootKey(file: string, sealed: string): Promise<void> {
  try {
    await writing(file, () => writeNew(file, sealed))
  } catch (error) {
    if (error instanceof PurserError && systemErrorCode(error.cause) === "EEXIST")
      throw new PurserError("ERR_CA", `${file} exists already`, { hint: "choose another file" })
    throw error
  }
}

/**
 * Reads the encrypted key; null if it is missing. A mode that is too open is only warned of outside `ca/`, because
 * removable media often have no file modes, and the key is encrypted.
 */
async function readSealed({ files, rootKeyFile, log }: RootKeyLocation): Promise<string | null> {
  if (rootKeyFile === undefined) return await readPrivate(files.path("root.key"))
  const sealed = await readText(rootKeyFile)
  if (sealed !== null && (await isFileOpenToOthers(rootKeyFile))) {
    log.warn(`the root's key ${rootKeyFile} can be read or written by other users`, {
      hint: "they still need its passphrase; keep it where only you have access",
    })
  }
  return sealed
}
