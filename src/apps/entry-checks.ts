import type { z } from "zod"
import { PurserError } from "../base/errors.ts"
import { grantCovers } from "../base/names.ts"
import { checkPaths, defaultDirectory } from "../files/file-line.ts"
import { grantOf, type AppEntry } from "./entry.ts"
import { checkTrust } from "./trust/entry.ts"
import type { TrustUse } from "./trust/kind.ts"

/** Reports keys of one app that contradict each other. */
export function checkEntry(app: AppEntry, context: z.RefinementCtx): void {
  const report: TrustUse["report"] = (key, message, hint, at = "key") =>
    context.addIssue({ code: "custom", path: [key], message, params: { hint, atKey: at === "key" } })
  checkTrust(app, report)
  const aliases = app.secrets.filter((entry) => typeof entry !== "string")
  if (app.protocol === "fluxvault") {
    if (app.trust !== "discovered") {
      report(
        "protocol",
        "fluxvault needs trust: discovered",
        "its nodes cannot prove their identity; add trust: discovered if you accept that",
      )
    }
    if (app.require_pq) report("require_pq", "has no meaning with protocol: fluxvault", "leave it out")
    if (app.actions.length > 0)
      report("actions", "have no meaning with protocol: fluxvault", "its nodes ask for files only")
    for (const [index, { as }] of aliases.entries()) {
      const others = [...aliases.slice(0, index).map((one) => one.as), ...app.secrets]
      if (others.includes(as))
        report("secrets", `two of them have the name ${as}`, "change as: of one of them")
    }
  } else if (aliases.length > 0) {
    report(
      "secrets",
      "as: has no meaning without protocol: fluxvault",
      "use path= in a file line to place a file",
    )
  }
  if (app.directory === undefined) {
    const needs = "needs a directory or containers beside it"
    const hint =
      "add directory: or containers:, or set it at the node (PURSER_FILES, PURSER_RELOAD, --require-tmpfs)"
    if (app.containers === undefined) {
      if (app.files !== undefined) report("files", needs, hint)
      if (app.reload !== undefined) report("reload", needs, hint)
      if (app.check !== undefined) report("check", needs, hint)
      if (app.require_tmpfs === true) report("require_tmpfs", needs, hint)
    }
  } else if (app.reload !== undefined && app.reload.kind !== "exec" && app.reload.kind !== "http") {
    report("reload", "a directory has no process to signal", "use exec:COMMAND or http:URL")
  }
  if (app.check !== undefined && app.reload?.kind === "restart") {
    const hint =
      "use a signal or exec:COMMAND, because a restart empties the container's memory and the old files with it"
    report("check", "cannot be combined with reload: restart", hint)
  }
  try {
    checkPaths(app.files ?? [], app.directory ?? defaultDirectory)
  } catch (error) {
    if (!(error instanceof PurserError)) throw error
    report("files", error.message, error.hint ?? "")
  }
  for (const [index, { name }] of (app.files ?? []).entries()) {
    if (app.secrets.some((one) => grantCovers(grantOf(one), name))) continue
    context.addIssue({
      code: "custom",
      path: ["files", index],
      message: `${name} is not granted to this app`,
      params: { hint: "add it to the secrets of the app" },
    })
  }
}
