import { z } from "zod"
import type { DiscoveryKind, NodeSpecBase } from "./kind.ts"
import { discoveryKinds, type NodeSpec } from "./kinds.ts"

/** One entry of `nodes:`, in the forms of `purser.yaml` and of the flag `--node`. */

/** Returns the schema of an entry of any of these kinds. */
export function nodeSchemaOf<Kind extends DiscoveryKind>(kinds: readonly Kind[]) {
  return z.union(kinds.map(({ schema }): Kind["schema"] => schema))
}

export const nodeSchema = nodeSchemaOf(discoveryKinds)

export function resolveNode(entry: z.output<typeof nodeSchema>): NodeSpec
export function resolveNode(entry: unknown, kinds: readonly DiscoveryKind[]): NodeSpecBase
export function resolveNode(entry: unknown, kinds: readonly DiscoveryKind[] = discoveryKinds): NodeSpecBase {
  const [key] = typeof entry === "object" && entry !== null ? Object.keys(entry) : []
  const kind = kinds.find(({ name, schema }) =>
    key === undefined ? schema instanceof z.ZodString : name === key,
  )
  if (kind === undefined) throw new TypeError(`there is no kind of discovery ${key}`)
  return kind.resolve(entry)
}

/** Turns the text of `--node`, an address or `NAME:TEXT[:PORT]` of a kind that has a flag, into its entry in YAML. */
export function nodeFromFlag(text: string, kinds: readonly DiscoveryKind[] = discoveryKinds): unknown {
  const match = /^([a-z]+):([^:]*[^:\d][^:]*)(?::(\d{1,5}))?$/.exec(text)
  const [, prefix, name = "", digits] = match ?? []
  const kind = kinds.find((one) => one.name === prefix)
  return kind?.fromFlag?.(name, digits === undefined ? undefined : Number(digits)) ?? text
}
