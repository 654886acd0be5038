import type { ErrorKind } from "./error-kind.ts"

export const stateErrors = {
  ERR_STATE: {
    exit: 1,
    http: 500,
    about: "the state directory cannot be used, or holds data that cannot be read",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>
