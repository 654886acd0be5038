/** The fields that we read of the answer to `GET /containers/{id}/json`. Go writes empty lists and maps as null. */
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
 * A container as the engine describes it. The calls of this folder take a name or an abbreviated id as well, but a
 * caller that must not reach another container passes the full `id`.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container
 */

export interface ContainerDetails {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** Without the engine's leading slash. */
  readonly name: string
  /** `sha256:…`, the image's own id. */
  readonly image: string
  /** The image's name as given when the container was created: `my/web:1`. */
  readonly imageName: string
  readonly state: ContainerState
  /** The configured user: `USER[:GROUP]`, names or numbers; empty for root. */
  readonly user: string
  /** The container's labels, including those inherited from its image. */
  readonly labels: Readonly<Record<string, string>>
  /** Entries of the form `NAME=value`. */
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** The API's form: `["CMD-SHELL", "…"]`, empty for none. */
  readonly healthcheck: readonly string[]
  readonly readOnlyRootfs: boolean
  /** The --tmpfs mounts: destination to options (`size=8m,mode=0700`). */
  readonly tmpfs: Readonly<Record<string, string>>
  /** All other mounts, without those in `tmpfs`. */
  readonly mounts: readonly ContainerMount[]
  /** Keyed by the network's name. */
  readonly networks: Readonly<Record<string, ContainerNetwork>>
  /** `host`, or empty for the engine's default. */
  readonly usernsMode: string
  readonly privileged: boolean
  readonly tty: boolean
  /** `bridge`, `host`, `none`, `container:ID`, a network's name. */
  readonly hostConfigNetworkMode: string
}

export interface ContainerMount {
  /** `bind`, `volume`, `tmpfs`, … */
  readonly type: string
  /** Set for a volume. */
  readonly name?: string
  /** Path on the engine's host. */
  readonly source: string
  /** Path in the container. */
  readonly destination: string
  readonly readWrite: boolean
  /** Set for a volume: `local`. */
  readonly driver?: string
}

export interface ContainerNetwork {
  readonly networkId: string
  /** Empty while the container has no address. */
  readonly ipAddress: string
  readonly gateway: string
}

export interface ContainerState {
  /** Also true while the container is paused. */
  readonly running: boolean
  readonly paused: boolean
  readonly restarting: boolean
  /** Process id on the engine's host; 0 when the container is not running. */
  readonly pid: number
  /** RFC 3339 with nanoseconds; changes with every start. */
  readonly startedAt: string
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`. */
  readonly status: string
  /** Exit code of the last run. */
  readonly exitCode: number
}
