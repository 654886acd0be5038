/**
 * A signal that follows another and is aborted when a time is over. In the
 * place of `AbortSignal.any([signal, AbortSignal.timeout(ms)])`, of which Node
 * 22 forgets the timer when garbage is collected (nodejs/node#57736), so that
 * there is no limit left; and its timer ends with its use.
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

  /** Whether it was the time that ended it. */
  get isOver(): boolean {
    return this.#isOver
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#outer.removeEventListener("abort", this.#follow)
  }
}
