/** The version of this package; a test holds it to package.json, which the one-file receiver does not have beside it. */
export const version = "0.1.0"
