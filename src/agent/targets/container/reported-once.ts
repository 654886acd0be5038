/**
 * Remembers what was reported of a container's start (a warning, an audit line, the content of a file), so that no
 * round reports it again. Forgets it with the container's end.
 */
export class ReportedOnce {
  readonly #byContainer = new Map<string, Map<string, string>>()

  /** Whether this was noted, with this value, and no other since. */
  has(id: string, what: string, value = ""): boolean {
    return this.#byContainer.get(id)?.get(what) === value
  }

  note(id: string, what: string, value = ""): void {
    const said = this.#byContainer.get(id) ?? new Map<string, string>()
    this.#byContainer.set(id, said)
    said.set(what, value)
  }

  /** Notes it, and tells whether it was new. */
  isNew(id: string, what: string, value = ""): boolean {
    if (this.has(id, what, value)) return false
    this.note(id, what, value)
    return true
  }

  forget(id: string): void {
    this.#byContainer.delete(id)
  }

  keepOnly(running: ReadonlySet<string>): void {
    for (const id of this.#byContainer.keys()) if (!running.has(id)) this.forget(id)
  }
}
