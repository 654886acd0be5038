export interface BackoffOptions {
  /** The delay after the first failure, in milliseconds. */
  firstMs: number
  /** The longest delay, in milliseconds. */
  maxMs: number
  /** Returns a number in [0, 1); tests replace it. */
  random?: () => number
}

/**
 * Returns an exponential back-off with jitter, in milliseconds: after `failures`
 * failures in a row (1 or more), a random delay between a half and the whole of
 * `firstMs * 2^(failures - 1)`. The jitter keeps a thousand nodes that failed
 * together from being dialled together.
 */
export function backoffMs(
  failures: number,
  { firstMs, maxMs, random = Math.random }: BackoffOptions,
): number {
  const whole = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(whole / 2 + (random() * whole) / 2)
}
