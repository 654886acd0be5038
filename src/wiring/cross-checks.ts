import { resolve, sep } from "node:path"
import type { z } from "zod"
import { grantOf } from "../apps/entry.ts"
import type { Alias } from "../apps/settings.ts"
import { grantCovers, isPattern } from "../base/names.ts"
import { nearest } from "../config/nearest.ts"
import { namesInEntries } from "../sources/entries.ts"

/** Checks that the slices of `purser.yaml` fit together, and reports errors to the schema. */

interface Apps<App> {
  readonly apps: Readonly<Record<string, App>>
}

/** Reports grants by name that no source gives. */
export function checkGrants(
  config: Apps<{ readonly secrets: readonly (string | Alias)[] }> & {
    readonly secrets: Readonly<Record<string, unknown>>
  },
  context: z.RefinementCtx,
): void {
  const given = namesInEntries(config.secrets)
  for (const [app, { secrets }] of Object.entries(config.apps)) {
    for (const [index, entry] of secrets.entries()) {
      const name = grantOf(entry)
      if (isPattern(name) || given.some((pattern) => grantCovers(pattern, name))) continue
      // The name of a group is reported by group-use.ts.
      if (Object.hasOwn(config.secrets, name)) continue
      const near = nearest(name, given)
      const hint =
        near === undefined ? `add ${name}: store (or another source) to secrets:` : `did you mean "${near}"?`
      const path = ["apps", app, "secrets", index]
      context.addIssue({ code: "custom", path, message: `no source gives ${name}`, params: { hint } })
    }
  }
}

/** Reports a directory inside another app's, because each app would remove the other's files as left over. */
export function checkDirectories(
  config: Apps<{ readonly directory?: string | undefined }>,
  context: z.RefinementCtx,
): void {
  const filled = Object.entries(config.apps).filter(([, { directory }]) => directory !== undefined)
  for (const [index, [app, { directory = "" }]] of filled.entries()) {
    const other = filled.slice(0, index).find(([, earlier]) => overlap(earlier.directory ?? "", directory))
    if (other === undefined) continue
    context.addIssue({
      code: "custom",
      path: ["apps", app, "directory"],
      message: `overlaps the directory of ${other[0]}`,
      params: {
        hint: "give each app a directory of its own, because each would remove the other's files",
      },
    })
  }
}

/** Returns whether two paths are equal, or one is below the other. Both are relative to the same directory. */
function overlap(a: string, b: string): boolean {
  const [one, two] = [resolve("/", a) + sep, resolve("/", b) + sep]
  return one.startsWith(two) || two.startsWith(one)
}
