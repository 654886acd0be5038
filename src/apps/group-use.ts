import type { z } from "zod"
import { grantCovers } from "../base/names.ts"
import { groupsIn } from "../sources/entries.ts"

/** Checks that apps are granted the secrets below a group's name, because the group's own name is not a secret. */

interface CheckedConfig {
  readonly secrets: Readonly<Record<string, unknown>>
  readonly apps: Readonly<
    Record<
      string,
      {
        readonly secrets: readonly unknown[]
        readonly files?: readonly { readonly name: string }[] | undefined
      }
    >
  >
}

/** Reports grants and file lines with the name of a group's entry. */
export function checkGroupUse({ secrets, apps }: CheckedConfig, context: z.RefinementCtx): void {
  for (const [entry, { names, noun }] of groupsIn(secrets)) {
    const report = (path: (string | number)[], meant: string): void =>
      context.addIssue({
        code: "custom",
        path,
        message: `${entry} is a ${noun}`,
        params: { hint: `did you mean ${meant}?` },
      })
    const others = Object.keys(secrets).filter((one) => one !== entry)
    for (const [app, { secrets: grants, files = [] }] of Object.entries(apps)) {
      for (const [index, grant] of grants.entries()) {
        if (grant === entry) report(["apps", app, "secrets", index], `"${entry}/*"`)
      }
      for (const [index, { name }] of files.entries()) {
        if (name !== entry || others.some((other) => grantCovers(other, name))) continue
        report(["apps", app, "files", index], names.map((own) => `${entry}/${own}`).join(", "))
      }
    }
  }
}
