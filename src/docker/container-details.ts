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

/**
 * Containers. Every `id` may be a name or an id in part, as the engine takes them, but what must not hit
 * another container uses the full id of {@link inspectContainer}.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container
 */

export interface ContainerDetails {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** Without the engine's leading slash. */
  readonly name: string
  /** `sha256:…`, the image's own id. */
  readonly image: string
  /** As it was asked for: `my/web:1`. */
  readonly imageName: string
  readonly state: ContainerState
  /** As it was configured: `USER[:GROUP]`, names or numbers; empty for root. */
  readonly user: string
  /** Those of the image are among them. */
  readonly labels: Readonly<Record<string, string>>
  /** `NAME=value`. */
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** As the API has it: `["CMD-SHELL", "…"]`, empty for none. */
  readonly healthcheck: readonly string[]
  readonly readOnlyRootfs: boolean
  /** From --tmpfs: destination to options (`size=8m,mode=0700`). */
  readonly tmpfs: Readonly<Record<string, string>>
  /** Without those of `tmpfs`. */
  readonly mounts: readonly ContainerMount[]
  /** By the network's name. */
  readonly networks: Readonly<Record<string, ContainerNetwork>>
  /** `host`, or empty for the engine's own setting. */
  readonly usernsMode: string
  readonly privileged: boolean
  readonly tty: boolean
  /** `bridge`, `host`, `none`, `container:ID`, a network's name. */
  readonly hostConfigNetworkMode: string
}

export interface ContainerMount {
  /** `bind`, `volume`, `tmpfs`, … */
  readonly type: string
  /** Of a volume. */
  readonly name?: string
  /** On the engine's host. */
  readonly source: string
  /** In the container. */
  readonly destination: string
  readonly readWrite: boolean
  /** Of a volume: `local`. */
  readonly driver?: string
}

export interface ContainerNetwork {
  readonly networkId: string
  /** Empty while it has none. */
  readonly ipAddress: string
  readonly gateway: string
}

export interface ContainerState {
  /** True while paused as well. */
  readonly running: boolean
  readonly paused: boolean
  readonly restarting: boolean
  /** On the engine's host; 0 when it is not running. */
  readonly pid: number
  /** RFC 3339 with nanoseconds; new for every start. */
  readonly startedAt: string
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`. */
  readonly status: string
  /** Of the last run. */
  readonly exitCode: number
}
