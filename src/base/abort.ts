/**
 * Waits for `work` or the signal, for work that cannot be cancelled. When the signal aborts, it rejects with the
 * signal's reason, and `work` continues unobserved.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Handles a failure of `work` after the abort, which has no other listener.
  work.catch(() => {})
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}
