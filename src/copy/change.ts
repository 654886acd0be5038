import type { Copied, FileToCopy } from "./route.ts"

/** `mend`: the content is there, with another mode or owner. */
export type Change = "none" | "mend" | "create" | "replace"

interface PlannedChange {
  readonly file: FileToCopy
  readonly change: Change
}

/** Whether content is written, and not only modes and owners. */
export function writesContent(plans: readonly PlannedChange[]): boolean {
  return plans.some(({ change }) => change === "create" || change === "replace")
}

/** The result of a route that has carried out these plans. */
export function copiedBy(plans: readonly PlannedChange[]): Copied {
  const pathsOf = (...changes: readonly Change[]): string[] =>
    plans.filter(({ change }) => changes.includes(change)).map(({ file }) => file.path)
  return {
    written: pathsOf("create", "replace"),
    replaced: pathsOf("replace"),
    unchanged: pathsOf("none", "mend"),
  }
}
