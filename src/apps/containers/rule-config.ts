import { z } from "zod"

/** The slice of `purser.yaml` under `containers:` of an app: which running containers may have its secrets. */

/** A resolved rule. An absent part allows everything. */
export interface ContainerRule {
  /** Ids of the images that it names (`sha256:…`). Undefined: any image, which was written out. */
  readonly images: readonly string[] | undefined
  readonly name: string | undefined
  readonly composeProject: string | undefined
  readonly composeService: string | undefined
  readonly labels: Readonly<Record<string, string>>
  /** A file must not lie on a disk. */
  readonly requireTmpfs: boolean
}

/** A text of this form; `error` and `hint` for what is not. */
function text(form: RegExp, error: string, hint?: string) {
  return z.string().refine((given) => form.test(given), { error, params: { hint } })
}

const imageId = text(
  /^sha256:[0-9a-f]{64}$/,
  "not the id of an image",
  "docker inspect --format '{{.Image}}' CONTAINER gives it: sha256: and 64 digits",
)
const composeService = text(
  /^[a-z0-9][a-z0-9_-]*\/[A-Za-z0-9][A-Za-z0-9._-]*$/,
  "not PROJECT/SERVICE",
  "write the Compose project too: shop/cache",
)

export const containersSchema = z
  .strictObject({
    image: z.array(imageId).min(1).optional().describe("ids of the images that may have the secrets"),
    any_image: z.literal(true).optional().describe("whatever image it runs; in the place of image:"),
    name: text(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "not the name of a container")
      .optional()
      .describe("and the container's name is this"),
    compose_project: text(/^[a-z0-9][a-z0-9_-]*$/, "not the name of a Compose project")
      .optional()
      .describe("and it is of this Compose project"),
    compose_service: composeService.optional().describe("and it is of this service: PROJECT/SERVICE"),
    labels: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe("and it has these labels, of its own and not of its image"),
  })
  .superRefine((rule, context) => {
    const report = (key: string, message: string, hint: string): void =>
      context.addIssue({ code: "custom", path: [key], message, params: { hint, atKey: true } })
    if (rule.image === undefined && rule.any_image === undefined) {
      context.addIssue({
        code: "custom",
        message: "names no image",
        params: {
          hint: "add image: [sha256:…], as docker inspect --format '{{.Image}}' CONTAINER gives it; or write any_image: true",
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
