/** Facts that follow from an error's code alone. */
export interface ErrorKind {
  /**
   * Exit code of a command that ends with this error: 1 something failed, 2 bad usage or configuration, 3 refused,
   * 4 not reachable, 5 in use by another process.
   */
  readonly exit: number
  /** Status of an HTTP answer that reports this error. */
  readonly http: 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 502 | 503 | 504
  /** One line for `docs/errors.md`. */
  readonly about: string
}
