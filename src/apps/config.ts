import { z } from "zod"
import { isAppName } from "../base/names.ts"
import { configPath } from "../config/path.ts"
import type { CaConfig } from "../ca/config.ts"
import type { Check } from "../rollout/check.ts"
import type { FileLine } from "../files/file-line.ts"
import type { Reload } from "../rollout/reload.ts"
import { resolveCertificate, type CertificateGrant } from "./certificate-config.ts"
import { resolveContainers, type ContainerRule } from "./containers/rule-config.ts"
import { entrySchema, grantOf, type AppEntry } from "./entry.ts"
import type { Alias, Protocol } from "./settings.ts"
import { checkEntry } from "./entry-checks.ts"
import { resolveNode } from "./discovery/entry.ts"
import type { NodeSpec } from "./discovery/kinds.ts"
import { resolveTrust } from "./trust/entry.ts"
import type { Trust } from "./trust/kinds.ts"

/** The slice of `purser.yaml` under `apps:`, and its resolved form for the agent. */

/** A resolved app: paths absolute, defaults filled in, frozen. */
export interface AppConfig {
  readonly name: string
  /** Grants: names, and patterns with a trailing `/*` or just `*`. */
  readonly secrets: readonly string[]
  /** Empty unless `protocol` is `fluxvault`; their secrets are among `secrets`. */
  readonly aliases: readonly Alias[]
  /** Names of the actions that its nodes may call; `list` and `file` are always allowed. */
  readonly actions: readonly string[]
  /** The certificates for the action `certificate`; undefined for none. */
  readonly certificate: CertificateGrant | undefined
  readonly protocol: Protocol
  readonly trust: Trust
  /** The number of nodes that may be alive at a time. */
  readonly maxNodes: number
  readonly requirePq: boolean
  readonly nodes: readonly NodeSpec[]
  /** Absolute path of the directory to fill; undefined for none. */
  readonly directory: string | undefined
  /** The rule for running containers that are its targets; undefined for none. */
  readonly containers: ContainerRule | undefined
  /** The files for `directory` and for containers; undefined for all granted secrets. */
  readonly files: readonly FileLine[] | undefined
  /** The reload of `directory` and of containers; for a directory only `exec:` and `http:`. */
  readonly reload: Reload | undefined
  /** The check that the directory's user, or each container, serves the new certificate after the reload. */
  readonly check: Check | undefined
  /** Applies to `directory`; a container rule has its own. */
  readonly requireTmpfs: boolean
}

export const appsSchema = z
  .record(
    z.string().refine(isAppName, {
      error: "not a name for an app",
      params: { hint: "use 1 to 63 of a-z 0-9 -, starting with a letter or digit" },
    }),
    entrySchema.superRefine(checkEntry),
  )
  .describe("who gets what")

/** Resolves all apps; relative paths are relative to `directory`. The result has no prototype. */
export function resolveApps(
  apps: z.output<typeof appsSchema>,
  at: { directory: string; ca: CaConfig },
): Readonly<Record<string, AppConfig>> {
  const resolved = Object.create(null) as Record<string, AppConfig>
  for (const [name, app] of Object.entries(apps)) resolved[name] = resolveApp(name, app, at)
  return resolved
}

function resolveApp(
  name: string,
  app: AppEntry,
  { directory, ca }: { directory: string; ca: CaConfig },
): AppConfig {
  return {
    name,
    secrets: app.secrets.map(grantOf),
    aliases: app.secrets.filter((entry) => typeof entry !== "string"),
    actions: app.actions,
    certificate: resolveCertificate(app.certificate, ca),
    protocol: app.protocol,
    trust: resolveTrust(app),
    maxNodes: app.max_nodes,
    requirePq: app.require_pq,
    nodes: (app.nodes ?? []).map((node) => resolveNode(node)),
    directory: app.directory === undefined ? undefined : configPath(app.directory, directory),
    containers: resolveContainers(app.containers, app.require_tmpfs ?? true),
    files: app.files,
    reload: app.reload,
    check: app.check,
    requireTmpfs: app.require_tmpfs ?? false,
  }
}
