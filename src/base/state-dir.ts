/** Absolute path of the platform's data directory for Purser (env-paths, no suffix). */
export function defaultStateDir(): string {
  throw new Error("not written yet")
}

/** Creates it with mode 0700 if it is absent. Throws `ERR_STATE` when it cannot be used, or anybody may write to it. */
export async function ensureStateDir(_directory: string): Promise<void> {
  throw new Error("not written yet")
}
