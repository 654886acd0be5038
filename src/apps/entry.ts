import { z } from "zod"
import { isPattern } from "../base/names.ts"
import { filePath, grant, parsedBy } from "../config/scalars.ts"
import { parseFileLine } from "../files/file-line.ts"
import { parseCheck } from "../rollout/check.ts"
import { parseReload } from "../rollout/reload.ts"
import { certificateSchema } from "./certificate-config.ts"
import { containersSchema } from "./containers/rule-config.ts"
import { nodeSchema } from "./discovery/entry.ts"
import type { Alias, Protocol } from "./settings.ts"
import { trustKeys } from "./trust/entry.ts"
import { trustNames } from "./trust/kinds.ts"

/** The schema of one entry of `apps:`, key by key. entry-checks.ts checks that the keys fit together. */

export const protocols = ["purser", "fluxvault"] as const satisfies readonly Protocol[]

const aliasSchema = z.strictObject({
  secret: grant.refine((name) => !isPattern(name), { error: "a pattern has no other name" }),
  as: z
    .string()
    .refine(isWireName, {
      error: "not a name for a file",
      params: { hint: "use a relative path, such as .env, without dot segments" },
    })
    .describe("with protocol: fluxvault, the name by which its nodes ask for it, such as .env"),
})

/** Returns whether a name is safe for the peer, which uses it as a path. */
function isWireName(text: string): boolean {
  if (text.length > 255 || /[\p{Cc}\\]/u.test(text)) return false
  return text.split("/").every((part) => !["", ".", ".."].includes(part))
}

/** Returns the secret or pattern of an entry of the grants. */
export function grantOf(entry: string | Alias): string {
  return typeof entry === "string" ? entry : entry.secret
}

export const entrySchema = z.strictObject({
  secrets: z
    .array(z.union([grant, aliasSchema]))
    .default([])
    .describe("the grants: names, or patterns with a trailing /*"),
  actions: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: "not the name of an action" }))
    .default([])
    .describe("actions that its nodes may call, besides list and file"),
  certificate: certificateSchema.optional(),
  protocol: z
    .enum(protocols)
    .default("purser")
    .describe("protocol of its nodes; fluxvault only with trust: discovered"),
  trust: z.enum(trustNames).default("enrolled").describe("how its nodes are recognised"),
  ...trustKeys,
  max_nodes: z.int().min(1).max(1_000_000).default(100).describe("nodes that may be alive at a time"),
  require_pq: z.boolean().default(false).describe("only nodes with post-quantum key exchange"),
  nodes: z.array(nodeSchema).min(1).optional().describe("the addresses of its nodes"),
  directory: filePath
    .optional()
    .describe("a directory on the agent's machine to fill, preferably a tmpfs volume"),
  containers: containersSchema
    .optional()
    .describe("the running containers of this host that may have its secrets"),
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
      "after the reload the new certificate must be served there, or the old files are put back: [HOST]:PORT [file=] [name=] [within=]",
    ),
  require_tmpfs: z
    .boolean()
    .optional()
    .describe("refuse to write to a disk; default: true for containers, false for a directory"),
})

/** A parsed entry. */
export type AppEntry = z.output<typeof entrySchema>
