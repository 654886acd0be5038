import { resolve, sep } from "node:path"
import type { z } from "zod"
import { grantOf } from "../apps/entry.ts"
import type { Alias } from "../apps/settings.ts"
import { grantCovers, isPattern } from "../base/names.ts"
import { nearest } from "../config/nearest.ts"
import { namesInEntries } from "../sources/entries.ts"

/** What no slice of `purser.yaml` can see by itself: whether the slices fit together. Each check reports to the schema. */

interface Apps<App> {
  readonly apps: Readonly<Record<string, App>>
}

/** Every secret that an app is granted by name comes from somewhere. */
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
      // Reported as a group.
      if (Object.hasOwn(config.secrets, name)) continue
      const near = nearest(name, given)
      const hint =
        near === undefined ? `add ${name}: store (or another source) to secrets:` : `did you mean "${near}"?`
      const path = ["apps", app, "secrets", index]
      context.addIssue({ code: "custom", path, message: `no source gives ${name}`, params: { hint } })
    }
  }
}

/** No directory lies in another, because each app would take the other's files for left-overs. */
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
      message: `lies where ${other[0]} has its directory`,
      params: {
        hint: "give each app a directory of its own: they would take each other's files for left-overs",
      },
    })
  }
}

/** Whether one is the other, or below it. Both are relative to the same place. */
function overlap(a: string, b: string): boolean {
  const [one, two] = [resolve("/", a) + sep, resolve("/", b) + sep]
  return one.startsWith(two) || two.startsWith(one)
}
