import type { Engine } from "./engine.ts"

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image */

export interface ImageDetails {
  /** `sha256:…` */
  readonly id: string
  readonly repoTags: readonly string[]
  /** `name@sha256:…`, of the registries it was pulled from. */
  readonly repoDigests: readonly string[]
  readonly user: string
  /** In the image's own config. */
  readonly labels: Readonly<Record<string, string>>
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly healthcheck: readonly string[]
  /** Destinations of VOLUME lines. */
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
  /** The step's command line, with the build arguments that it was given. */
  readonly createdBy: string
  readonly sizeBytes: number
  readonly comment: string
}

/** Throws `ERR_NO_SUCH_IMAGE`. */
export async function inspectImage(
  engine: Engine,
  idOrName: string,
  signal: AbortSignal,
): Promise<ImageDetails> {
  throw new Error("not yet")
}

/** Newest step first. Throws `ERR_NO_SUCH_IMAGE`. */
export async function imageHistory(
  engine: Engine,
  idOrName: string,
  signal: AbortSignal,
): Promise<readonly ImageLayer[]> {
  throw new Error("not yet")
}

export interface ImageSummary {
  readonly id: string
  readonly repoTags: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** Without the layers in between. */
export async function listImages(engine: Engine, signal: AbortSignal): Promise<readonly ImageSummary[]> {
  throw new Error("not yet")
}
