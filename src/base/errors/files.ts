import type { ErrorKind } from "./error-kind.ts"

export const filesErrors = {
  ERR_FILE_LINE: { exit: 2, http: 400, about: "a file line (NAME path=… mode=… owner=…) cannot be read" },
  ERR_TARGET: { exit: 1, http: 422, about: "a file cannot be written at its target path" },
  ERR_DISK: { exit: 3, http: 422, about: "the target is not in memory and --require-tmpfs forbids disks" },
} as const satisfies Readonly<Record<string, ErrorKind>>
