import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { Engine } from "./engine.ts"

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image */

export interface ImageDetails {
  /** `sha256:…` */
  readonly id: string
  readonly repoTags: readonly string[]
  /** `name@sha256:…`, one for each repository it was pulled from or pushed to. */
  readonly repoDigests: readonly string[]
  readonly user: string
  /** Labels of the image's own config. */
  readonly labels: Readonly<Record<string, string>>
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly healthcheck: readonly string[]
  /** Destinations of the Dockerfile's VOLUME lines. */
  readonly volumes: readonly string[]
  /** RFC 3339. */
  readonly created: string
  readonly architecture: string
  readonly os: string
}

export interface ImageLayer {
  /** `sha256:…` or `<missing>`. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly createdMs: number
  /** The step's command line, including its build arguments. */
  readonly createdBy: string
  readonly sizeBytes: number
  readonly comment: string
}

/** Returns the image's details. Throws `ERR_NO_SUCH_IMAGE`. */
export async function inspectImage(
  engine: Engine,
  idOrName: string,
  signal: AbortSignal,
): Promise<ImageDetails> {
  const answer = await engine.json<ImageAnswer>({ path: `${pathOf(idOrName)}/json`, signal })
  const config = answer.Config ?? {}
  return {
    id: answer.Id,
    repoTags: answer.RepoTags ?? [],
    repoDigests: answer.RepoDigests ?? [],
    user: config.User ?? "",
    labels: config.Labels ?? {},
    env: config.Env ?? [],
    entrypoint: config.Entrypoint ?? [],
    command: config.Cmd ?? [],
    healthcheck: config.Healthcheck?.Test ?? [],
    volumes: Object.keys(config.Volumes ?? {}),
    created: answer.Created ?? "",
    architecture: answer.Architecture,
    os: answer.Os,
  }
}

interface ImageAnswer {
  readonly Id: string
  readonly RepoTags?: readonly string[] | null
  readonly RepoDigests?: readonly string[] | null
  readonly Created?: string
  readonly Architecture: string
  readonly Os: string
  readonly Config?: {
    readonly User?: string
    readonly Labels?: Readonly<Record<string, string>> | null
    readonly Env?: readonly string[] | null
    readonly Entrypoint?: readonly string[] | null
    readonly Cmd?: readonly string[] | null
    readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null
    readonly Volumes?: Readonly<Record<string, unknown>> | null
  } | null
}

/** Returns the build steps, newest first. Throws `ERR_NO_SUCH_IMAGE`. */
export async function imageHistory(
  engine: Engine,
  idOrName: string,
  signal: AbortSignal,
): Promise<readonly ImageLayer[]> {
  const layers = await engine.json<HistoryAnswer>({ path: `${pathOf(idOrName)}/history`, signal })
  return layers.map(({ Id, Created, CreatedBy, Size, Comment }) => ({
    id: Id,
    createdMs: Created * 1000,
    createdBy: CreatedBy,
    sizeBytes: Size,
    comment: Comment,
  }))
}

type HistoryAnswer = readonly {
  readonly Id: string
  readonly Created: number
  readonly CreatedBy: string
  readonly Size: number
  readonly Comment: string
}[]

export interface ImageSummary {
  readonly id: string
  readonly repoTags: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** Lists images, without intermediate layers. */
export async function listImages(engine: Engine, signal: AbortSignal): Promise<readonly ImageSummary[]> {
  const found = await engine.json<readonly SummaryAnswer[]>({ path: "/images/json", signal })
  return found.map(({ Id, RepoTags, Labels }) => ({
    id: Id,
    // The API writes <none>:<none> for an image without a name.
    repoTags: (RepoTags ?? []).filter((tag) => tag !== "<none>:<none>"),
    labels: Labels ?? {},
  }))
}

interface SummaryAnswer {
  readonly Id: string
  readonly RepoTags?: readonly string[] | null
  readonly Labels?: Readonly<Record<string, string>> | null
}

/**
 * Returns the image's API path, with the name's slashes. Throws `ERR_NO_SUCH_IMAGE` for a text that could lead to
 * another path of the API.
 */
function pathOf(idOrName: string): string {
  if (
    /^[A-Za-z0-9][A-Za-z0-9_.-]*(?:[/:@][A-Za-z0-9_.-]+)*$/.test(idOrName) &&
    !/(?:^|\/)\.\.?(?:\/|$)/.test(idOrName)
  ) {
    return `/images/${idOrName}`
  }
  throw new PurserError("ERR_NO_SUCH_IMAGE", `${quote(idOrName)} is not an image's name or id`)
}
