import type { ContainerDetails, ContainerMount, ContainerNetwork } from "./containers.ts"

/** What `GET /containers/{id}/json` answers, as far as we read it. Go writes empty lists and maps as null. */
export interface InspectAnswer {
  readonly Id: string
  readonly Name: string
  readonly Image: string
  readonly State: {
    readonly Running: boolean
    readonly Paused: boolean
    readonly Restarting: boolean
    readonly Pid: number
    readonly StartedAt: string
    readonly Status: string
    readonly ExitCode: number
  }
  readonly Config: {
    readonly Image: string
    readonly User?: string
    readonly Labels?: Readonly<Record<string, string>> | null
    readonly Env?: readonly string[] | null
    readonly Entrypoint?: readonly string[] | null
    readonly Cmd?: readonly string[] | null
    readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null
    readonly Tty?: boolean
  }
  readonly HostConfig: {
    readonly ReadonlyRootfs?: boolean
    readonly Tmpfs?: Readonly<Record<string, string>> | null
    readonly UsernsMode?: string
    readonly Privileged?: boolean
    readonly NetworkMode?: string
  }
  readonly Mounts?:
    | readonly {
        readonly Type: string
        readonly Name?: string
        readonly Source?: string
        readonly Destination: string
        readonly RW: boolean
        readonly Driver?: string
      }[]
    | null
  readonly NetworkSettings?: {
    readonly Networks?: Readonly<
      Record<
        string,
        { readonly NetworkID?: string; readonly IPAddress?: string; readonly Gateway?: string } | null
      >
    > | null
  } | null
}

export function detailsOf(answer: InspectAnswer): ContainerDetails {
  const { State: state, Config: config, HostConfig: host } = answer
  return {
    id: answer.Id,
    name: answer.Name.replace(/^\//, ""),
    image: answer.Image,
    imageName: config.Image,
    state: {
      running: state.Running,
      paused: state.Paused,
      restarting: state.Restarting,
      pid: state.Pid,
      startedAt: state.StartedAt,
      status: state.Status,
      exitCode: state.ExitCode,
    },
    user: config.User ?? "",
    labels: config.Labels ?? {},
    env: config.Env ?? [],
    entrypoint: config.Entrypoint ?? [],
    command: config.Cmd ?? [],
    healthcheck: config.Healthcheck?.Test ?? [],
    readOnlyRootfs: host.ReadonlyRootfs ?? false,
    tmpfs: host.Tmpfs ?? {},
    mounts: (answer.Mounts ?? []).map(({ Type, Name, Source, Destination, RW, Driver }): ContainerMount => ({
      type: Type,
      ...(Name === undefined || Name === "" ? {} : { name: Name }),
      source: Source ?? "",
      destination: Destination,
      readWrite: RW,
      ...(Driver === undefined || Driver === "" ? {} : { driver: Driver }),
    })),
    networks: Object.fromEntries(
      Object.entries(answer.NetworkSettings?.Networks ?? {}).map(
        ([name, network]): [string, ContainerNetwork] => [
          name,
          {
            networkId: network?.NetworkID ?? "",
            ipAddress: network?.IPAddress ?? "",
            gateway: network?.Gateway ?? "",
          },
        ],
      ),
    ),
    usernsMode: host.UsernsMode ?? "",
    privileged: host.Privileged ?? false,
    tty: config.Tty ?? false,
    hostConfigNetworkMode: host.NetworkMode ?? "",
  }
}
