import { z } from "zod"
import { PurserError } from "../base/errors.ts"
import { grantCovers, isPattern } from "../base/names.ts"
import { configPath } from "../config/path.ts"
import { filePath, grant, parsedBy } from "../config/scalars.ts"
import type { CaConfig } from "../ca/config.ts"
import { isPin, type Pin } from "../channel/pin.ts"
import { parseCheck, type Check } from "../rollout/check.ts"
import { checkPaths, defaultDirectory, parseFileLine, type FileLine } from "../files/file-line.ts"
import { parseReload, type Reload } from "../rollout/reload.ts"
import { certificateSchema, resolveCertificate, type CertificateGrant } from "./certificate-config.ts"
import { containersSchema, resolveContainers, type ContainerRule } from "./containers/rule-config.ts"
import { nodeSchema, resolveNode, type NodeSpec } from "./node-spec.ts"

export type { NodeSpec } from "./node-spec.ts"

/** The slice of `purser.yaml` under `apps:`, and what the agent is given of it. */

const trustModes = ["enrolled", "approved", "pinned", "discovered"] as const

/** How an app's nodes are recognised; design section 6. */
export type TrustMode = (typeof trustModes)[number]

const protocols = ["purser", "fluxvault"] as const

/** What is spoken with an app's nodes. */
export type Protocol = (typeof protocols)[number]

/** A secret under the name by which nodes ask for it, where Purser has no such name. */
export interface Alias {
  readonly secret: string
  readonly as: string
}

/** One app, resolved: paths absolute, defaults filled in, frozen. */
export interface AppConfig {
  readonly name: string
  /** Grants: names, and patterns with a trailing `/*` or just `*`. */
  readonly secrets: readonly string[]
  /** Empty unless `protocol` is `fluxvault`; their secrets are among `secrets`. */
  readonly aliases: readonly Alias[]
  /** Names of the actions it may ask for; `list` and `file` need no mention. */
  readonly actions: readonly string[]
  /** For the action `certificate`. */
  readonly certificate: CertificateGrant | undefined
  readonly protocol: Protocol
  readonly trust: TrustMode
  /** Empty unless `trust` is `pinned`. */
  readonly pins: readonly Pin[]
  /** Nodes that may be alive at a time. */
  readonly maxNodes: number
  readonly requirePq: boolean
  readonly nodes: readonly NodeSpec[]
  /** Absolute. Undefined: no directory to fill. */
  readonly directory: string | undefined
  /** Which running containers are its targets. */
  readonly containers: ContainerRule | undefined
  /** What goes into `directory` and into containers. Undefined: everything that is granted. */
  readonly files: readonly FileLine[] | undefined
  /** Of `directory` and containers; with a directory only `exec:` and `http:`. */
  readonly reload: Reload | undefined
  /** What is to be served after the reload, by the directory's user or by each container. */
  readonly check: Check | undefined
  /** Of `directory`; containers have their own. */
  readonly requireTmpfs: boolean
}

const aliasSchema = z.strictObject({
  secret: grant.refine((name) => !isPattern(name), { error: "a pattern has no other name" }),
  as: z
    .string()
    .refine(isWireName, {
      error: "not a name for a file",
      params: { hint: "a relative path, such as .env, without dot segments" },
    })
    .describe("with protocol: fluxvault, how its nodes ask for it: .env, say"),
})

/** What is only looked up here becomes a path at the other end. */
function isWireName(text: string): boolean {
  if (text.length > 255 || /[\p{Cc}\\]/u.test(text)) return false
  return text.split("/").every((part) => !["", ".", ".."].includes(part))
}

/** The secret that an entry of the grants names, or the pattern. */
export function grantOf(entry: string | Alias): string {
  return typeof entry === "string" ? entry : entry.secret
}

export const appSchema = z
  .strictObject({
    secrets: z
      .array(z.union([grant, aliasSchema]))
      .default([])
      .describe("the grants: names, or patterns with a trailing /*"),
    actions: z
      .array(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: "not the name of an action" }))
      .default([])
      .describe("actions that it may ask for, beside list and file"),
    certificate: certificateSchema.optional(),
    protocol: z
      .enum(protocols)
      .default("purser")
      .describe("what is spoken with its nodes; fluxvault only with trust: discovered"),
    trust: z.enum(trustModes).default("enrolled").describe("how its nodes are recognised"),
    pins: z
      .array(
        z.string().refine((text): text is Pin => isPin(text), {
          error: "not a pin",
          params: { hint: "sha256: and 43 characters of base64url" },
        }),
      )
      .min(1)
      .optional()
      .describe("with trust: pinned, the nodes that there are"),
    max_nodes: z.int().min(1).max(1_000_000).default(100).describe("nodes that may be alive at a time"),
    require_pq: z.boolean().default(false).describe("only nodes with post-quantum key exchange"),
    nodes: z.array(nodeSchema).min(1).optional().describe("where its nodes are"),
    directory: filePath.optional().describe("a directory beside the agent to fill, best a tmpfs volume"),
    containers: containersSchema
      .optional()
      .describe("which running containers of this host may have its secrets"),
    files: z
      .array(parsedBy(parseFileLine))
      .min(1)
      .optional()
      .describe(
        "file lines for the directory or the containers: NAME [path=] [mode=] [owner=] [optional]; default: all grants",
      ),
    reload: parsedBy(parseReload)
      .optional()
      .describe("after files changed: exec:COMMAND or http:URL; for containers also a signal, or restart"),
    check: parsedBy(parseCheck)
      .optional()
      .describe(
        "then the new certificate is served there, or the old files are put back: [HOST]:PORT [file=] [name=] [within=]",
      ),
    require_tmpfs: z
      .boolean()
      .optional()
      .describe("refuse to write to a disk; default: true for containers, false for a directory"),
  })
  .superRefine((app, context) => {
    const report = (key: string, message: string, hint: string): void =>
      context.addIssue({ code: "custom", path: [key], message, params: { hint, atKey: true } })
    if (app.trust === "pinned" && app.pins === undefined) {
      context.addIssue({
        code: "custom",
        path: ["trust"],
        message: "pinned needs pins",
        params: { hint: "add pins: with what `purser node` prints as its pin" },
      })
    }
    if (app.trust !== "pinned" && app.pins !== undefined) {
      report("pins", "have no meaning without trust: pinned", "add trust: pinned, or leave the pins out")
    }
    const aliases = app.secrets.filter((entry) => typeof entry !== "string")
    if (app.protocol === "fluxvault") {
      if (app.trust !== "discovered") {
        report(
          "protocol",
          "fluxvault needs trust: discovered",
          "its nodes cannot prove who they are; add trust: discovered if you accept that",
        )
      }
      if (app.require_pq) report("require_pq", "has no meaning with protocol: fluxvault", "leave it out")
      if (app.actions.length > 0)
        report("actions", "have no meaning with protocol: fluxvault", "its nodes ask for files only")
      for (const [index, { as }] of aliases.entries()) {
        const others = [...aliases.slice(0, index).map((one) => one.as), ...app.secrets]
        if (others.includes(as))
          report("secrets", `two of them are asked for as ${as}`, "give one of them another as:")
      }
    } else if (aliases.length > 0) {
      report(
        "secrets",
        "as: has no meaning without protocol: fluxvault",
        "a file line's path= says where a file goes",
      )
    }
    if (app.directory === undefined) {
      const needs = "needs a directory or containers beside it"
      const hint =
        "add directory: or containers:, or say it at the node (PURSER_FILES, PURSER_RELOAD, --require-tmpfs)"
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
        "a restart empties the memory of a container, the old files with it: use a signal or exec:COMMAND"
      report("check", "does not go together with reload: restart", hint)
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
  })

export function resolveApp(
  name: string,
  app: z.infer<typeof appSchema>,
  { directory, ca }: { directory: string; ca: CaConfig },
): AppConfig {
  return {
    name,
    secrets: app.secrets.map(grantOf),
    aliases: app.secrets.filter((entry) => typeof entry !== "string"),
    actions: app.actions,
    certificate: resolveCertificate(app.certificate, ca),
    protocol: app.protocol,
    trust: app.trust,
    pins: app.pins ?? [],
    maxNodes: app.max_nodes,
    requirePq: app.require_pq,
    nodes: (app.nodes ?? []).map(resolveNode),
    directory: app.directory === undefined ? undefined : configPath(app.directory, directory),
    containers: resolveContainers(app.containers, app.require_tmpfs ?? true),
    files: app.files,
    reload: app.reload,
    check: app.check,
    requireTmpfs: app.require_tmpfs ?? false,
  }
}
