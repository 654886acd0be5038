export interface BackoffOptions {
  /** Delay after the first failure, in milliseconds. */
  firstMs: number
  /** No delay is longer, in milliseconds. */
  maxMs: number
  /** In [0, 1); for tests. */
  random?: () => number
}

/**
 * Exponential back-off with full jitter on its upper half: after `failures`
 * failures in a row (1 or more) waits between half of and the whole
 * `firstMs * 2^(failures - 1)`, in milliseconds. The jitter keeps a thousand
 * nodes that failed together from being dialled together.
 */
export function backoffMs(
  failures: number,
  { firstMs, maxMs, random = Math.random }: BackoffOptions,
): number {
  const whole = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(whole / 2 + (random() * whole) / 2)
}
