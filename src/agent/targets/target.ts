/** A place that gets secrets of an app. What leads there is added by its kind. */
export interface Target {
  /** The name of its kind. */
  readonly kind: string
  readonly app: string
}
