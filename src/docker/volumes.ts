import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { Engine } from "./engine.ts"

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Volume */

export interface VolumeDetails {
  readonly name: string
  /** `local` for the engine's built-in driver. */
  readonly driver: string
  /** The driver's options: `{type: "tmpfs", device: "tmpfs", o: "size=8m"}`. */
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** A path on the engine's host. */
  readonly mountpoint: string
}

/** Returns the volume's details. Throws `ERR_DOCKER` with status 404 for a missing volume. */
export async function inspectVolume(
  engine: Engine,
  name: string,
  signal: AbortSignal,
): Promise<VolumeDetails> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new PurserError("ERR_DOCKER", `${quote(name)} is not a volume's name`)
  }
  const { Name, Driver, Options, Labels, Mountpoint } = await engine.json<VolumeAnswer>({
    path: `/volumes/${name}`,
    signal,
  })
  return {
    name: Name,
    driver: Driver,
    options: Options ?? {},
    labels: Labels ?? {},
    mountpoint: Mountpoint ?? "",
  }
}

interface VolumeAnswer {
  readonly Name: string
  readonly Driver: string
  readonly Options?: Readonly<Record<string, string>> | null
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Mountpoint?: string
}
