import type { z } from "zod"
import type { Address } from "./address.ts"

/**
 * A way to find the nodes of an app: the form of its entry in `nodes:` of `purser.yaml`, the resolved entry, and the
 * lookup. Each kind has a file in `kinds/` and a line in `kinds.ts`. Besides these only `settings.ts` names the kinds,
 * because it documents them for programs.
 *
 * A kind finds addresses to dial. It may be wrong or lie, so its results are never a reason for trust.
 */
export interface DiscoveryKind<
  Schema extends z.ZodType = z.ZodType,
  Spec extends NodeSpecBase = NodeSpecBase,
> {
  /** The first key of its mapping, and the prefix of its flag. */
  readonly name: Spec["kind"]
  /** One kind takes plain text; the others take mappings. */
  readonly schema: Schema
  resolve(entry: z.output<Schema>): Spec
  /** The entry that `--node name:TEXT[:PORT]` stands for. Absent: the kind has no such flag. */
  fromFlag?(text: string, port: number | undefined): z.input<Schema>
  /** Looks up every address known now. Throws `ERR_DISCOVERY`. */
  look(spec: Spec, options: LookOptions): Promise<readonly Address[]>
}

/** A resolved entry of `nodes:`; the other keys depend on the kind. */
export interface NodeSpecBase {
  /** The name of the {@link DiscoveryKind}. */
  readonly kind: string
}

export interface LookOptions {
  readonly signal: AbortSignal
  /** DNS servers (`host:port`) to use instead of the system's. */
  readonly dnsServers?: readonly string[] | undefined
  /** Time limit of an answer over HTTP in milliseconds. Default: 10,000. */
  readonly httpLimitMs?: number | undefined
}
