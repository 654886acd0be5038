import type { ErrorKind } from "./error-kind.ts"

export const cliErrors = {
  ERR_USAGE: {
    exit: 2,
    http: 400,
    about: "the command line names something that does not exist, or its parts contradict each other",
  },
  ERR_FINDINGS: { exit: 1, http: 422, about: "purser doctor found something that must be fixed" },
} as const satisfies Readonly<Record<string, ErrorKind>>
