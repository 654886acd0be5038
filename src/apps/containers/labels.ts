/**
 * Selects the labels that count: those that were given to the container. An image's own `LABEL` becomes a container
 * label too, but the author of an image must not choose the secrets of its containers.
 */

export const appLabel = "purser.app"
export const filesLabel = "purser.files"
export const reloadLabel = "purser.reload"
export const checkLabel = "purser.check"

type Labels = Readonly<Record<string, string>>

/** Returns the container's own labels. A label that the image has with the same value counts as the image's. */
export function ownLabels(container: Labels, image: Labels): Labels {
  return Object.fromEntries(
    Object.entries(container).filter(([key, value]) => !Object.hasOwn(image, key) || image[key] !== value),
  )
}

export interface ComposeName {
  readonly project: string | undefined
  readonly service: string | undefined
}

/**
 * Compose overwrites this label of an image, so if it is the container's own, Compose created the container and all its
 * labels are true.
 */
const composeMark = "com.docker.compose.config-hash"

/**
 * Returns a container's Compose project and service. Compose puts the same labels on the images that it builds, so they
 * count even if the image has them, provided that the container has a configuration hash of its own, which no image
 * has.
 */
export function composeNameOf(container: Labels, own: Labels): ComposeName {
  const labels = own[composeMark] === undefined ? own : container
  return {
    project: labels["com.docker.compose.project"],
    service: labels["com.docker.compose.service"],
  }
}
