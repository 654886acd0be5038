import type { Described } from "./show.ts"

/** {@link describe}'s result as aligned text, safe for a terminal. */
export function formatDescribed(_described: Described): string {
  return ""
}
