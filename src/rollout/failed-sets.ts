import { digestOf, type Digest } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import type { NamedContent } from "./leaf.ts"

const refusedMs = 3_600_000

/**
 * Remembers in memory which sets of files failed their check; otherwise every retry would reload the service with the
 * same bad certificate. Other content is tried at once, the same content after an hour.
 */
export class FailedSets {
  readonly #byTarget = new Map<string, { contents: Digest; since: number }>()

  /** Throws `ERR_CHECK` for contents that failed less than an hour ago. */
  throwIfFailed(target: string, files: readonly NamedContent[]): void {
    const failed = this.#byTarget.get(target)
    if (failed?.contents !== contentsDigest(files)) return
    if (Date.now() - failed.since >= refusedMs) {
      this.#byTarget.delete(target)
      return
    }
    throw new PurserError(
      "ERR_CHECK",
      `held back since ${new Date(failed.since).toISOString()}: this set of files failed its check`,
      { hint: "it is tried again when its content changes, or after an hour" },
    )
  }

  /** Refuses these contents at this target for an hour. */
  recordFailure(target: string, files: readonly NamedContent[]): void {
    this.#byTarget.set(target, { contents: contentsDigest(files), since: Date.now() })
  }
}

/** The digest of names and contents, in any order. */
function contentsDigest(files: readonly NamedContent[]): Digest {
  const lines = files.map(({ name, content }) => `${name} ${content.digest}\n`).toSorted()
  return digestOf(Buffer.from(lines.join("")))
}
