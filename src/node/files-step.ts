import type { Digest } from "../base/digest.ts"
import type { Log } from "../base/log.ts"
import { defaultDirectory, fileLineFor, type FileLine } from "../files/file-line.ts"
import { fillDirectory, type Fetched, type FillResult } from "../files/fill.ts"
import type { Reload, RunReload } from "../files/reload.ts"
import { IncompleteDelivery, type AgentSession, type StepsSummary } from "./session.ts"

/** Asks for files and installs them: what most nodes do, and all that `purser node` does. */

export interface FilesStepOptions {
  /** Base of relative paths. Default `/run/secrets`. */
  directory?: string
  /** What to ask for. Without it: `list`, and everything that is granted. */
  files?: readonly FileLine[]
  reload?: Reload
  runReload: RunReload
  requireTmpfs?: boolean
  log: Log
  /** Called after every session in which each required file was delivered or matched, with their absolute paths. */
  onComplete?: (required: readonly string[]) => Promise<void> | void
}

/** What the step needs of an agent. */
export interface FileAgent extends Pick<AgentSession, "list" | "signal"> {
  file(name: string, options: { have: Digest | null; line: FileLine }): Promise<Fetched>
}

export type FilesStep = (agent: FileAgent) => Promise<StepsSummary>

export function filesStep({ files, onComplete, ...options }: FilesStepOptions): FilesStep {
  const { directory = defaultDirectory, log } = options
  let inUse = false
  /** Two agents may deliver at once; their files must not mix. */
  let filling: Promise<unknown> = Promise.resolve()

  return async (agent) => {
    const lines = files ?? (await agent.list()).secrets.map(({ name }) => fileLineFor(name))
    const turn = filling.then(() =>
      fillDirectory(lines, (name, have, line) => agent.file(name, { have, line }), {
        ...options,
        directory,
        inUse,
        signal: agent.signal,
      }),
    )
    filling = turn.catch(() => {})
    const result = await turn
    logFiles(result, log)
    const { written, unchanged, missing, required, lacking } = result
    const summary = { written, unchanged, missing }
    if (lacking.length > 0) {
      throw new IncompleteDelivery(
        `not delivered: ${lacking.join(", ")}`,
        summary,
        "grant these secrets to the app at the agent, or mark their file lines optional",
      )
    }
    inUse = true
    await onComplete?.(required)
    return summary
  }
}

function logFiles({ files, written, unchanged, lacking }: FillResult, log: Log): void {
  for (const { line, status } of files) {
    if (status === "sent" || status === "match") log.debug(`${status}: ${line.name}`)
    else log[line.optional ? "info" : "warn"](`${status}: ${line.name}`)
  }
  if (lacking.length === 0) log.info("delivery complete", { written, unchanged })
}
