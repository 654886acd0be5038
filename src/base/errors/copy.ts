import type { ErrorKind } from "./error-kind.ts"

export const copyErrors = {
  ERR_ROUTE: {
    exit: 1,
    http: 422,
    about: "no route into this container can work, or the one asked for cannot",
  },
  ERR_NOT_VERIFIED: {
    exit: 1,
    http: 502,
    about: "read back in the container, a file was not what had been written",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>
