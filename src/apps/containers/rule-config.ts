import { z } from "zod"

/**
 * The slice of `purser.yaml` under `containers:` of an app: the rule for running containers that may have its secrets.
 */

/** A resolved rule. A container must meet every condition that is given. */
export interface ContainerRule {
  /** Ids of the allowed images (`sha256:…`); undefined for any image (`any_image: true`). */
  readonly images: readonly string[] | undefined
  readonly name: string | undefined
  readonly composeProject: string | undefined
  readonly composeService: string | undefined
  readonly labels: Readonly<Record<string, string>>
  /** Whether files on a disk are refused. */
  readonly requireTmpfs: boolean
}

/** Returns a schema for texts of this form; `error` and `hint` report any other. */
function text(form: RegExp, error: string, hint?: string) {
  return z.string().refine((given) => form.test(given), { error, params: { hint } })
}

const imageId = text(
  /^sha256:[0-9a-f]{64}$/,
  "not the id of an image",
  "run docker inspect --format '{{.Image}}' CONTAINER to get it: sha256: and 64 digits",
)
const composeService = text(
  /^[a-z0-9][a-z0-9_-]*\/[A-Za-z0-9][A-Za-z0-9._-]*$/,
  "not PROJECT/SERVICE",
  "write the Compose project too: shop/cache",
)

export const containersSchema = z
  .strictObject({
    image: z.array(imageId).min(1).optional().describe("ids of the images that may have the secrets"),
    any_image: z.literal(true).optional().describe("allow any image, instead of image:"),
    name: text(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "not the name of a container")
      .optional()
      .describe("required name of the container"),
    compose_project: text(/^[a-z0-9][a-z0-9_-]*$/, "not the name of a Compose project")
      .optional()
      .describe("required Compose project"),
    compose_service: composeService.optional().describe("required Compose service: PROJECT/SERVICE"),
    labels: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe("required labels of the container itself, not of its image"),
  })
  .superRefine((rule, context) => {
    const report = (key: string, message: string, hint: string): void =>
      context.addIssue({ code: "custom", path: [key], message, params: { hint, atKey: true } })
    if (rule.image === undefined && rule.any_image === undefined) {
      context.addIssue({
        code: "custom",
        message: "names no image",
        params: {
          hint: "add image: [sha256:…], which docker inspect --format '{{.Image}}' CONTAINER prints; or write any_image: true",
        },
      })
    }
    if (rule.image !== undefined && rule.any_image !== undefined)
      report("any_image", "contradicts image:", "leave one of them out")
    const [project] = rule.compose_service?.split("/") ?? []
    if (rule.compose_project !== undefined && project !== undefined && project !== rule.compose_project)
      report("compose_project", "is not the project of compose_service", "leave it out")
  })

export function resolveContainers(
  given: z.infer<typeof containersSchema> | undefined,
  requireTmpfs: boolean,
): ContainerRule | undefined {
  if (given === undefined) return undefined
  const [project, service] = given.compose_service?.split("/") ?? []
  return {
    images: given.image,
    name: given.name,
    composeProject: project ?? given.compose_project,
    composeService: service,
    labels: given.labels ?? {},
    requireTmpfs,
  }
}
