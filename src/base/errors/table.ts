import { agentErrors } from "./agent.ts"
import { auditErrors } from "./audit.ts"
import { caErrors } from "./ca.ts"
import { channelErrors } from "./channel.ts"
import { cliErrors } from "./cli.ts"
import { configErrors } from "./config.ts"
import { copyErrors } from "./copy.ts"
import type { ErrorKind } from "./error-kind.ts"
import { dockerErrors } from "./docker.ts"
import { filesErrors } from "./files.ts"
import { generalErrors } from "./general.ts"
import { nodeErrors } from "./node.ts"
import { rolloutErrors } from "./rollout.ts"
import { sourcesErrors } from "./sources.ts"
import { stateErrors } from "./state.ts"

/**
 * All codes of `PurserError`, joined from one file for each part of Purser. They stand in `base/` because the union of
 * codes belongs to `PurserError`. The one-file receiver gets only the exit codes: see `scripts/bundle.ts`.
 */

export const errorKinds = {
  ...generalErrors,
  ...cliErrors,
  ...configErrors,
  ...channelErrors,
  ...filesErrors,
  ...rolloutErrors,
  ...stateErrors,
  ...auditErrors,
  ...sourcesErrors,
  ...caErrors,
  ...dockerErrors,
  ...copyErrors,
  ...nodeErrors,
  ...agentErrors,
} as const

/** The families of errors, in the order of `docs/errors.md`. */
export const errorFamilies: readonly {
  readonly title: string
  readonly kinds: Readonly<Record<string, ErrorKind>>
}[] = [
  { title: "Everywhere", kinds: generalErrors },
  { title: "Command line", kinds: cliErrors },
  { title: "Configuration", kinds: configErrors },
  { title: "Channel between agent and node", kinds: channelErrors },
  { title: "Files", kinds: filesErrors },
  { title: "Reloads and checks", kinds: rolloutErrors },
  { title: "State directory", kinds: stateErrors },
  { title: "Audit log", kinds: auditErrors },
  { title: "Secrets and their sources", kinds: sourcesErrors },
  { title: "Certificates", kinds: caErrors },
  { title: "Container engine", kinds: dockerErrors },
  { title: "Copying into containers", kinds: copyErrors },
  { title: "Node", kinds: nodeErrors },
  { title: "Agent", kinds: agentErrors },
]

export function exitCodeOf(code: keyof typeof errorKinds): number {
  return errorKinds[code].exit
}
