import type { Engine } from "./engine.ts"

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemInfo */

export interface EngineInfo {
  readonly id: string
  /** Host name of its machine. */
  readonly name: string
  /** `20.10.24+dfsg1` */
  readonly serverVersion: string
  /** `Debian GNU/Linux 12 (bookworm)`, `Docker Desktop`. */
  readonly operatingSystem: string
  /** `linux`, `windows`. */
  readonly osType: string
  readonly kernelVersion: string
  /** `/var/lib/docker`, on the engine's host. */
  readonly dataRoot: string
  /** `1` or `2`. */
  readonly cgroupVersion: string
  /** `name=seccomp,profile=default`, `name=rootless`, `name=userns`, … */
  readonly securityOptions: readonly string[]
  readonly rootless: boolean
  /** Of the whole engine (`userns-remap`). */
  readonly usernsRemap: boolean
  readonly warnings: readonly string[]
  /** The engine's clock, RFC 3339 with nanoseconds. */
  readonly systemTime: string
  readonly swarmActive: boolean
}

export async function engineInfo(engine: Engine, signal: AbortSignal): Promise<EngineInfo> {
  throw new Error("not yet")
}
