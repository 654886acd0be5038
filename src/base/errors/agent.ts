import type { ErrorKind } from "./error-kind.ts"

export const agentErrors = {
  ERR_NOT_GRANTED: { exit: 3, http: 403, about: "the app is not granted this secret or action" },
  ERR_DISCOVERY: { exit: 4, http: 502, about: "looking for nodes failed" },
  ERR_ACTION: { exit: 1, http: 502, about: "an action failed at the agent" },
  ERR_DELIVERY: { exit: 1, http: 502, about: "one or more deliveries failed" },
} as const satisfies Readonly<Record<string, ErrorKind>>
