/** The longest delay that a timer of Node takes. */
const longestMs = 2 ** 31 - 1

/** Calls once at a time that may be months away; setting it again takes the earlier call back. */
export class DueTimer implements Disposable {
  #timer: NodeJS.Timeout | undefined

  /** `waitMs` is asked again on the way, since the clock may be set meanwhile. */
  set(waitMs: () => number, call: () => void): void {
    this[Symbol.dispose]()
    const leftMs = waitMs()
    const isLast = leftMs <= longestMs
    this.#timer = setTimeout(
      () => (isLast ? call() : this.set(waitMs, call)),
      isLast ? Math.max(0, leftMs) : longestMs,
    )
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
