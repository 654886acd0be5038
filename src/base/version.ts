/**
 * The version of this package. It is repeated here because the one-file receiver has no package.json; a test compares
 * the two.
 */
export const version = "0.1.0"
