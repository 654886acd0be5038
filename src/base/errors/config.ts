import type { ErrorKind } from "./error-kind.ts"

export const configErrors = {
  ERR_CONFIG: {
    exit: 2,
    http: 400,
    about: "the configuration file has an unknown key, a wrong type or a wrong value",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>
