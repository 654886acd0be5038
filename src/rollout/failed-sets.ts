import { createHash } from "node:crypto"
import { PurserError } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"

/**
 * Sets that failed their check, in memory: to try one again at every retry would reload the service with a bad
 * certificate again and again. Another content, or an hour, gives the target a new try.
 */
export class FailedSets {
  readonly #forMs: number
  readonly #byTarget = new Map<string, { set: string; since: number }>()

  constructor(forMs = 3_600_000) {
    this.#forMs = forMs
  }

  /** Throws `ERR_CHECK` for a set that is held back. */
  refuse(target: string, set: string): void {
    const held = this.#byTarget.get(target)
    if (held?.set !== set) return
    if (Date.now() - held.since >= this.#forMs) {
      this.#byTarget.delete(target)
      return
    }
    throw new PurserError(
      "ERR_CHECK",
      `held back since ${new Date(held.since).toISOString()}: these files were not served, and the old ones are back`,
      { hint: "it is tried again when their content changes, or after an hour" },
    )
  }

  hold(target: string, set: string): void {
    this.#byTarget.set(target, { set, since: Date.now() })
  }
}

/** Stands for the contents that are new, by name. */
export function setOf(files: readonly { readonly name: string; readonly content: Secret }[]): string {
  const lines = files.map(({ name, content }) => `${name} ${content.digest}\n`).toSorted()
  return createHash("sha256").update(lines.join("")).digest("hex")
}
