import type { ErrorKind } from "./error-kind.ts"

export const copyErrors = {
  ERR_ROUTE: {
    exit: 1,
    http: 422,
    about: "no route into this container works, or the requested one does not",
  },
  ERR_NOT_VERIFIED: {
    exit: 1,
    http: 502,
    about: "a file that was read back from the container differs from what was written",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>
