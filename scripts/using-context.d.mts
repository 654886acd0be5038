/** See using-context.mjs. */
export default function usingContext(): {
  e: unknown
  u<T>(value: T): T
  a<T>(value: T): T
  d(): Promise<void> | void
}
