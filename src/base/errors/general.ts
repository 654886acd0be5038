import type { ErrorKind } from "./error-kind.ts"

export const generalErrors = {
  ERR_NAME: { exit: 2, http: 400, about: "the name of a secret, app or node does not follow the grammar" },
  ERR_ADDRESS: { exit: 2, http: 400, about: "an address, CIDR or host name cannot be read" },
  ERR_LIMIT: { exit: 1, http: 429, about: "a limit of time, size or number was reached" },
  ERR_TIMEOUT: { exit: 1, http: 504, about: "something took longer than its time limit" },
  ERR_LOCKED: { exit: 5, http: 409, about: "another process holds the lock" },
  ERR_INTERRUPTED: { exit: 130, http: 503, about: "a signal or the caller ended it before it was done" },
  ERR_INTERNAL: { exit: 70, http: 500, about: "a defect of Purser; please report it" },
} as const satisfies Readonly<Record<string, ErrorKind>>
