import type { ErrorKind } from "./error-kind.ts"

export const auditErrors = {
  ERR_AUDIT: { exit: 1, http: 500, about: "the audit log was changed, cut or torn" },
} as const satisfies Readonly<Record<string, ErrorKind>>
