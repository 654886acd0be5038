import type { ErrorKind } from "./error-kind.ts"

export const nodeErrors = {
  ERR_CHILD: { exit: 1, http: 500, about: "the supervised command could not be started" },
  ERR_UNHEALTHY: { exit: 1, http: 503, about: "required files are not in place" },
} as const satisfies Readonly<Record<string, ErrorKind>>
