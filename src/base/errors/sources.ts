import type { ErrorKind } from "./error-kind.ts"

export const sourcesErrors = {
  ERR_SECRET_MISSING: { exit: 1, http: 404, about: "no source has this secret" },
  ERR_SECRET_TOO_LARGE: { exit: 1, http: 413, about: "a secret is larger than the limit" },
  ERR_SOURCE: { exit: 1, http: 502, about: "a source could not be read" },
  ERR_STORE: {
    exit: 1,
    http: 500,
    about: "Purser's own store of secrets could not be opened, decrypted or written",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>
