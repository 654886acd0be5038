import type { Secret } from "../../base/secret.ts"
import { encryptAge } from "../age-file.ts"
import type { StoreConfig } from "./config.ts"
import { storedFiles, storeDirectories, type StoreDirectory } from "./directories.ts"
import { decryptBy, type StoreEncryption } from "./encryption.ts"

/** The target of a key change: a new `store.key` with this passphrase (null for none), or the configured recipients. */
export type NewKey = { readonly passphrase: Secret | null } | "recipients"

interface ReencryptOptions {
  readonly recipients: readonly string[]
  /** Identities that decrypt the existing files; the store's current ones are tried as well. */
  readonly old: readonly string[]
  /** Identities that must decrypt each new file before it replaces the old one. */
  readonly provenBy?: readonly string[]
}

/**
 * Re-encrypts every file that is encrypted to the store's key. The caller holds the lock. Resolves with the number of
 * current files in each directory. After a crash half-way every file is still readable.
 */
export async function changeKey(
  store: { stateDir: string; config: StoreConfig; encryption: StoreEncryption },
  to: NewKey,
  signal: AbortSignal,
): Promise<ReadonlyMap<StoreDirectory, number>> {
  const { encryption, config } = store
  if (to !== "recipients") {
    const old = await encryption.identities()
    const { recipient, finish } = await encryption.key.prepareNew(to.passphrase)
    const counts = await reencrypt(store, { recipients: [recipient], old }, signal)
    await finish()
    return counts
  }
  const provenBy = await encryption.ownIdentities()
  const old = await encryption.identities()
  const counts = await reencrypt(store, { recipients: config.recipients ?? [], old, provenBy }, signal)
  await encryption.key.remove()
  return counts
}

async function reencrypt(
  { stateDir, encryption }: { stateDir: string; encryption: StoreEncryption },
  { recipients, old, provenBy }: ReencryptOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<StoreDirectory, number>> {
  // Files that an earlier, aborted attempt re-encrypted need its key, which is still in `store.key` beside the old one.
  const identities = [...old, ...(await encryption.identities())]
  const counts = new Map<StoreDirectory, number>()
  for (const directory of storeDirectories) {
    const { current, previous } = storedFiles(stateDir, directory)
    for (const files of [previous, current]) {
      const names = await files.names()
      if (files === current) counts.set(directory, names.length)
      for (const name of names) {
        signal.throwIfAborted()
        const sealed = await files.read(name)
        if (sealed === null) continue
        const fresh = await encryptAge(await decryptBy(identities, name, sealed), recipients)
        if (provenBy !== undefined) await decryptBy(provenBy, name, fresh)
        await files.write(name, fresh)
      }
    }
  }
  return counts
}
