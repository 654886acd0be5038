import type { Engine } from "./engine.ts"

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Volume */

export interface VolumeDetails {
  readonly name: string
  /** `local` for the engine's own. */
  readonly driver: string
  /** Of the driver: `{type: "tmpfs", device: "tmpfs", o: "size=8m"}`. */
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** On the engine's host. */
  readonly mountpoint: string
}

/** One that is not there is `ERR_DOCKER` with status 404. */
export async function inspectVolume(
  engine: Engine,
  name: string,
  signal: AbortSignal,
): Promise<VolumeDetails> {
  throw new Error("not yet")
}
