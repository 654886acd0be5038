import { z } from "zod"
import { reasonOf, PurserError } from "../base/errors.ts"
import { grantCovers } from "../base/names.ts"
import { configPath } from "../base/path.ts"
import { isPin, type Pin } from "../channel/pin.ts"
import { checkPaths, defaultDirectory, parseFileLine, type FileLine } from "../files/file-line.ts"
import { parseReload, type Reload } from "../files/reload.ts"
import { grant } from "../sources/schema.ts"
import { nodeSchema, resolveNode, type NodeSpec } from "./node-spec.ts"

export type { NodeSpec } from "./node-spec.ts"

/** The slice of `purser.yaml` under `apps:`, and what the agent is given of it. */

const trustModes = ["enrolled", "approved", "pinned", "discovered"] as const

/** How an app's nodes are recognised; design section 6. */
export type TrustMode = (typeof trustModes)[number]

/** One app, resolved: paths absolute, defaults filled in, frozen. */
export interface AppConfig {
  readonly name: string
  /** Grants: names, and patterns with a trailing `/*` or just `*`. */
  readonly secrets: readonly string[]
  /** Names of the actions it may ask for; `list` and `file` need no mention. */
  readonly actions: readonly string[]
  readonly trust: TrustMode
  /** Empty unless `trust` is `pinned`. */
  readonly pins: readonly Pin[]
  /** Nodes that may be alive at a time. */
  readonly maxNodes: number
  readonly requirePq: boolean
  readonly nodes: readonly NodeSpec[]
  /** Absolute. Undefined: no directory to fill. */
  readonly directory: string | undefined
  /** What goes into `directory`. Undefined: everything that is granted. */
  readonly files: readonly FileLine[] | undefined
  /** Of `directory`: only `exec:` and `http:`. */
  readonly reload: Reload | undefined
  /** Of `directory`. */
  readonly requireTmpfs: boolean
}

/** Text that one of our own parsers takes. */
function parsedBy<T>(parse: (text: string) => T) {
  return z.string().transform((text, context): T => {
    try {
      return parse(text)
    } catch (error) {
      const hint = error instanceof PurserError ? error.hint : undefined
      context.addIssue({ code: "custom", message: reasonOf(error), params: { hint } })
      return z.NEVER
    }
  })
}

export const appSchema = z
  .strictObject({
    secrets: z.array(grant).default([]).describe("the grants: names, or patterns with a trailing /*"),
    actions: z
      .array(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: "not the name of an action" }))
      .default([])
      .describe("actions that it may ask for, beside list and file"),
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
    directory: z
      .string()
      .min(1)
      .optional()
      .describe("a directory beside the agent to fill, best a tmpfs volume"),
    files: z
      .array(parsedBy(parseFileLine))
      .min(1)
      .optional()
      .describe(
        "file lines for the directory: NAME [path=] [mode=] [owner=] [optional]; default: all grants",
      ),
    reload: parsedBy(parseReload)
      .optional()
      .describe("after the directory changed: exec:COMMAND or http:URL"),
    require_tmpfs: z.boolean().default(false).describe("refuse a directory that is on a disk"),
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
    if (app.directory === undefined) {
      const hint = "add directory:, or say it at the node (PURSER_FILES, PURSER_RELOAD, --require-tmpfs)"
      if (app.files !== undefined) report("files", "needs a directory beside it", hint)
      if (app.reload !== undefined) report("reload", "needs a directory beside it", hint)
      if (app.require_tmpfs) report("require_tmpfs", "needs a directory beside it", hint)
    } else if (app.reload !== undefined && app.reload.kind !== "exec" && app.reload.kind !== "http") {
      report("reload", "a directory has no process to signal", "use exec:COMMAND or http:URL")
    }
    try {
      checkPaths(app.files ?? [], app.directory ?? defaultDirectory)
    } catch (error) {
      if (!(error instanceof PurserError)) throw error
      report("files", error.message, error.hint ?? "")
    }
    for (const [index, { name }] of (app.files ?? []).entries()) {
      if (app.secrets.some((one) => grantCovers(one, name))) continue
      context.addIssue({
        code: "custom",
        path: ["files", index],
        message: `${name} is not granted to this app`,
        params: { hint: "add it to the secrets of the app" },
      })
    }
  })

export function resolveApp(name: string, app: z.infer<typeof appSchema>, directory: string): AppConfig {
  return {
    name,
    secrets: app.secrets,
    actions: app.actions,
    trust: app.trust,
    pins: app.pins ?? [],
    maxNodes: app.max_nodes,
    requirePq: app.require_pq,
    nodes: (app.nodes ?? []).map(resolveNode),
    directory: app.directory === undefined ? undefined : configPath(app.directory, directory),
    files: app.files,
    reload: app.reload,
    requireTmpfs: app.require_tmpfs,
  }
}
