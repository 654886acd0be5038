import type { Target } from "../target.ts"

/** A running container, as far as it belongs to the app. */
export interface ContainerTarget extends Target {
  readonly kind: "container"
  /** Its full id. */
  readonly id: string
}
