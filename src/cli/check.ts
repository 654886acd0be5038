import type { Command } from "commander"
import type { AppConfig } from "../apps/config.ts"
import { targetKeys, targetKinds } from "../agent/targets/kinds.ts"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { grantCovers, isPattern } from "../base/names.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import { kindOfSpec, missingHint } from "../sources/entries.ts"
import { namesGiven } from "../sources/kind.ts"
import type { CommandAction, Context } from "./command.ts"
import type { ResolvedConfig } from "../wiring/resolved-config.ts"
import { openCatalogue } from "../wiring/open-catalogue.ts"
import { commandConfig, openContextOf } from "./load-config.ts"

/** `purser check`: reads the configuration and every granted secret, and dials no node. Shows sizes, never contents. */
export function define(command: Command, action: CommandAction): void {
  command.action(action(check))
}

interface Row {
  readonly secret: string
  readonly apps: readonly string[]
  readonly status: "ok" | "missing" | "failed"
  /** Undefined when the agent has yet to issue it. */
  readonly sizeBytes?: number | undefined
  readonly message?: string
  readonly hint?: string | undefined
}

async function check(context: Context): Promise<number> {
  const { output, signal } = context
  const config = await commandConfig(context)
  if (config.file === undefined) {
    throw new PurserError("ERR_USAGE", "there is no purser.yaml in this directory", {
      hint: "give it with --config FILE",
    })
  }
  await using opened = openCatalogue(config, openContextOf(context))
  const { catalogue } = opened
  const apps = Object.values(config.apps)
  const { granted, problems } = await grantedNames(apps, catalogue, signal)
  const rows: Row[] = []
  for (const [secret, of] of [...granted].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    rows.push(await tried(secret, of, catalogue, signal))
  }
  output.table(rows, [
    { title: "SECRET", value: ({ secret }) => secret },
    { title: "STATUS", value: ({ status }) => status },
    {
      title: "BYTES",
      value: ({ sizeBytes }) => (sizeBytes === undefined ? "" : String(sizeBytes)),
      align: "right",
    },
    { title: "APPS", value: (row) => row.apps.join(", ") },
  ])
  for (const { secret, status, message, hint } of rows) {
    if (status === "failed") output.warn(`${secret}: ${message ?? ""}`, hint)
    if (status === "missing")
      output.warn(`${secret}: its source does not have it`, missingHint(config.sources.secrets, secret))
  }
  for (const { message, hint } of problems) output.warn(message, hint)
  for (const [message, hint] of warnings(config, granted)) output.warn(message, hint)
  const bad = rows.filter(({ status }) => status !== "ok").length + problems.length
  if (bad > 0) {
    output.note(`${count(bad, "granted secret")} cannot be delivered`)
    return 1
  }
  output.note(`${count(rows.length, "secret")} for ${count(apps.length, "app")}: all is well`)
  return 0
}

/** Resolves with each granted name and its apps. A grant that cannot be listed becomes a problem, and the others are still listed. */
async function grantedNames(apps: readonly AppConfig[], catalogue: Catalogue, signal: AbortSignal) {
  const granted = new Map<string, string[]>()
  const problems: { message: string; hint: string | undefined }[] = []
  for (const app of apps) {
    for (const grant of app.secrets) {
      try {
        for (const name of await catalogue.names([grant], signal)) {
          const of = granted.get(name) ?? []
          if (!of.includes(app.name)) granted.set(name, [...of, app.name])
        }
      } catch (error) {
        signal.throwIfAborted()
        problems.push({
          message: `${app.name}, ${grant}: ${reasonOf(error)}`,
          hint: isPurserError(error) ? error.hint : undefined,
        })
      }
    }
  }
  return { granted, problems }
}

async function tried(
  secret: string,
  apps: readonly string[],
  catalogue: Catalogue,
  signal: AbortSignal,
): Promise<Row> {
  try {
    const content = await catalogue.check(secret, signal)
    if (content === null) return { secret, apps, status: "missing" }
    return { secret, apps, status: "ok", ...content }
  } catch (error) {
    signal.throwIfAborted()
    return {
      secret,
      apps,
      status: "failed",
      message: reasonOf(error),
      hint: isPurserError(error) ? error.hint : undefined,
    }
  }
}

function* warnings(
  config: ResolvedConfig,
  granted: ReadonlyMap<string, unknown>,
): Generator<[string, string?]> {
  for (const app of Object.values(config.apps)) {
    const { name, secrets } = app
    for (const kind of targetKinds)
      for (const { message, hint } of kind.checkWarnings?.(app) ?? []) yield [message, hint]
    if (secrets.length === 0) yield [`${name} is granted nothing`, "add secrets: to the app"]
    if (!targetKinds.some((kind) => kind.isFor(app)))
      yield [`${name} has no target`, `add ${targetKeys()} to it`]
    for (const grant of secrets) {
      if (isPattern(grant) && ![...granted.keys()].some((secret) => grantCovers(grant, secret))) {
        yield [`${grant} of ${name} matches no secret now`]
      }
    }
  }
  const grants = Object.values(config.apps).flatMap(({ secrets }) => secrets)
  for (const [pattern, spec] of Object.entries(config.sources.secrets)) {
    const names = namesGiven(kindOfSpec(spec), pattern)
    const isGranted = isPattern(pattern)
      ? grants.some(
          (grant) =>
            grantCovers(pattern, grant.replace(/\*$/, "x")) ||
            grantCovers(grant, pattern.replace(/\*$/, "x")),
        )
      : names.some((name) => grants.some((grant) => grantCovers(grant, name)))
    if (!isGranted) yield [`no app is granted ${pattern}`]
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`
}
