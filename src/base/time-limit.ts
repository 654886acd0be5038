/**
 * A signal that aborts with another signal or after a time. It replaces
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])`, whose timer Node 22 loses
 * to garbage collection (nodejs/node#57736), and disposing it clears the timer.
 */
export class TimeLimit implements Disposable {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal
  readonly #timer: NodeJS.Timeout
  readonly #follow = (): void => this.#controller.abort(this.#outer.reason)
  #isOver = false

  constructor(outer: AbortSignal, limitMs: number) {
    this.#outer = outer
    this.#timer = setTimeout(() => {
      this.#isOver = true
      this.#controller.abort(new DOMException(`the limit of ${limitMs} ms was reached`, "TimeoutError"))
    }, limitMs)
    if (outer.aborted) this.#follow()
    outer.addEventListener("abort", this.#follow, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether the time limit aborted it. */
  get isOver(): boolean {
    return this.#isOver
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#outer.removeEventListener("abort", this.#follow)
  }
}
