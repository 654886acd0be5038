/**
 * Only labels that somebody gave the container count. An image's own `LABEL` becomes a container label too, and the
 * builder of an image must not choose by it whose secrets its containers get.
 */

export const appLabel = "purser.app"
export const filesLabel = "purser.files"
export const reloadLabel = "purser.reload"
export const checkLabel = "purser.check"

type Labels = Readonly<Record<string, string>>

/** Leaves out the labels that the image has with the same value. */
export function ownLabels(container: Labels, image: Labels): Labels {
  return Object.fromEntries(
    Object.entries(container).filter(([key, value]) => !Object.hasOwn(image, key) || image[key] !== value),
  )
}

export interface ComposeName {
  readonly project: string | undefined
  readonly service: string | undefined
}

/** Compose writes it over its images' labels, so that all are true where one of them shows that it was at work. */
const composeMark = "com.docker.compose.config-hash"

/**
 * Compose also labels the images that it builds, with the same values. Its labels on the container count even so,
 * because its hash of the configuration is never in an image of its own.
 */
export function composeNameOf(container: Labels, own: Labels): ComposeName {
  const labels = own[composeMark] === undefined ? own : container
  return {
    project: labels["com.docker.compose.project"],
    service: labels["com.docker.compose.service"],
  }
}
