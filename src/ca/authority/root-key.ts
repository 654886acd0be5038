import type { KeyObject, X509Certificate } from "node:crypto"
import { PurserError, systemErrorCode } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Secret } from "../../base/secret.ts"
import { isFileOpenToOthers, readPrivate, readText, writeNew, writing } from "../files.ts"
import { openKey } from "../keys.ts"
import type { AuthorityFiles } from "./files.ts"

/** The place of the root's key: in `ca/`, or a file that is only there when it is needed. */
export interface RootKeyPlace {
  readonly files: AuthorityFiles
  /** Undefined: in `ca/`. */
  readonly rootKeyFile: string | undefined
  readonly log: Log
}

/** Throws `ERR_CA` when it is not there, or another root's, and `ERR_PASSPHRASE`. */
export async function openRootKey(
  place: RootKeyPlace,
  root: X509Certificate,
  passphrase: () => Promise<Secret>,
): Promise<KeyObject> {
  const { files, rootKeyFile = files.path("root.key") } = place
  const sealed = await readSealed(place)
  if (sealed === null) {
    throw new PurserError("ERR_CA", `the root's key is not in ${rootKeyFile}`, {
      hint: "only it can sign an intermediate: say where it is with --root-key FILE",
    })
  }
  const key = await openKey(sealed, await passphrase(), `the root's key ${rootKeyFile}`)
  if (root.checkPrivateKey(key)) return key
  throw new PurserError("ERR_CA", `the key ${rootKeyFile} belongs to another root`, {
    hint: `the root of this CA is ${files.path("root.crt")}`,
  })
}

/** Throws `ERR_CA` for a file that is there. */
export async function writeRootKey(file: string, sealed: string): Promise<void> {
  try {
    await writing(file, () => writeNew(file, sealed))
  } catch (error) {
    if (error instanceof PurserError && systemErrorCode(error.cause) === "EEXIST")
      throw new PurserError("ERR_CA", `${file} is there already`, { hint: "name a file that is not" })
    throw error
  }
}

/** A medium that is taken away often knows no modes, so there they are no reason to refuse: the key is encrypted. */
async function readSealed({ files, rootKeyFile, log }: RootKeyPlace): Promise<string | null> {
  if (rootKeyFile === undefined) return await readPrivate(files.path("root.key"))
  const sealed = await readText(rootKeyFile)
  if (sealed !== null && (await isFileOpenToOthers(rootKeyFile))) {
    log.warn(`the root's key ${rootKeyFile} can be read or written by others`, {
      hint: "they still need its passphrase; keep it where only you come",
    })
  }
  return sealed
}
