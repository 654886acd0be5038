import type { Copied, FileToCopy } from "./route.ts"

/** The change a file needs. `fix`: the content is right, but the mode or owner is not. */
export type Change = "none" | "fix" | "create" | "replace"

interface PlannedChange {
  readonly file: FileToCopy
  readonly change: Change
}

/** Returns whether any content is written, not only modes and owners. */
export function writesContent(plans: readonly PlannedChange[]): boolean {
  return plans.some(({ change }) => change === "create" || change === "replace")
}

/** Returns a route's result once the plans are carried out. */
export function copiedFrom(plans: readonly PlannedChange[]): Copied {
  const pathsOf = (...changes: readonly Change[]): string[] =>
    plans.filter(({ change }) => changes.includes(change)).map(({ file }) => file.path)
  return {
    written: pathsOf("create", "replace"),
    replaced: pathsOf("replace"),
    unchanged: pathsOf("none", "fix"),
  }
}
