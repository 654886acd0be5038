import type { z } from "zod"
import type { Address } from "./address.ts"

/**
 * A way to find the nodes of an app: how `purser.yaml` writes it under `nodes:`, what that becomes, and how the nodes
 * are looked up. Each kind has a file in `kinds/` and a line in `kinds.ts`; of the rest only `settings.ts` knows which kinds
 * there are, because it is what programs read.
 *
 * A kind finds addresses to dial, never whom to trust, because its answers may be wrong or lies.
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
  /** Every address that is known now. Throws `ERR_DISCOVERY`. */
  look(spec: Spec, options: LookOptions): Promise<readonly Address[]>
}

/** An entry of `nodes:` with its defaults; the other keys are the kind's own. */
export interface NodeSpecBase {
  /** The name of the {@link DiscoveryKind}. */
  readonly kind: string
}

export interface LookOptions {
  readonly signal: AbortSignal
  /** `host:port` of DNS servers, in the place of the system's. */
  readonly dnsServers?: readonly string[] | undefined
  /** Limit of an answer over HTTP, in milliseconds. Default 10,000. */
  readonly httpLimitMs?: number | undefined
}
