import type { ErrorKind } from "./error-kind.ts"

export const rolloutErrors = {
  ERR_RELOAD_SPEC: {
    exit: 2,
    http: 400,
    about: "a reload is neither a signal, restart, exec:COMMAND nor http:URL, or does not fit its target",
  },
  ERR_RELOAD: { exit: 1, http: 502, about: "files were written but the reload failed" },
  ERR_CHECK: {
    exit: 1,
    http: 502,
    about:
      "after a reload the service did not serve the new certificate, and the previous files were put back",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>
