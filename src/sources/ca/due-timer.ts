/** The longest delay of a Node timer. */
const longestMs = 2 ** 31 - 1

/** Calls back once, at a time that may be months away. Setting it again cancels the earlier call. */
export class DueTimer implements Disposable {
  #timer: NodeJS.Timeout | undefined

  /** `waitMs` is called again after each partial wait, because the clock may have been set meanwhile. */
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
