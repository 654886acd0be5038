import type { Engine } from "./engine.ts"

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemInfo */

export interface EngineInfo {
  readonly id: string
  /** Host name of the engine's machine. */
  readonly name: string
  /** `20.10.24+dfsg1` */
  readonly serverVersion: string
  /** `Debian GNU/Linux 12 (bookworm)`, `Docker Desktop`. */
  readonly operatingSystem: string
  /** `linux`, `windows`. */
  readonly osType: string
  readonly kernelVersion: string
  /** `/var/lib/docker`, a path on the engine's host. */
  readonly dataRoot: string
  /** `1` or `2`. */
  readonly cgroupVersion: string
  /** `name=seccomp,profile=default`, `name=rootless`, `name=userns`, … */
  readonly securityOptions: readonly string[]
  readonly rootless: boolean
  /** Whether the whole engine remaps users (`userns-remap`). */
  readonly usernsRemap: boolean
  readonly warnings: readonly string[]
  /** The engine's clock, RFC 3339 with nanoseconds. */
  readonly systemTime: string
  readonly swarmActive: boolean
}

export async function engineInfo(engine: Engine, signal: AbortSignal): Promise<EngineInfo> {
  const answer = await engine.json<InfoAnswer>({ path: "/info", signal })
  const securityOptions = answer.SecurityOptions ?? []
  const has = (name: string): boolean =>
    securityOptions.some((option) => option.split(",").includes(`name=${name}`))
  return {
    id: answer.ID ?? "",
    name: answer.Name ?? "",
    serverVersion: answer.ServerVersion ?? "",
    operatingSystem: answer.OperatingSystem ?? "",
    osType: answer.OSType ?? "",
    kernelVersion: answer.KernelVersion ?? "",
    dataRoot: answer.DockerRootDir ?? "",
    cgroupVersion: answer.CgroupVersion ?? "1",
    securityOptions,
    rootless: has("rootless"),
    usernsRemap: has("userns"),
    warnings: answer.Warnings ?? [],
    systemTime: answer.SystemTime ?? "",
    swarmActive: answer.Swarm?.LocalNodeState === "active",
  }
}

interface InfoAnswer {
  readonly ID?: string
  readonly Name?: string
  readonly ServerVersion?: string
  readonly OperatingSystem?: string
  readonly OSType?: string
  readonly KernelVersion?: string
  readonly DockerRootDir?: string
  readonly CgroupVersion?: string
  readonly SecurityOptions?: readonly string[] | null
  readonly Warnings?: readonly string[] | null
  readonly SystemTime?: string
  readonly Swarm?: { readonly LocalNodeState?: string } | null
}
