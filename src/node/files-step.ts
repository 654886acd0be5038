import type { Digest } from "../base/digest.ts"
import type { Log } from "../base/log.ts"
import type { Check } from "../rollout/check.ts"
import { FailedSets } from "../rollout/failed-sets.ts"
import { defaultDirectory, fileLineFor, type FileLine } from "../files/file-line.ts"
import { deliverFiles, type Fetch, type Fetched, type FilesResult } from "../rollout/deliver-files.ts"
import type { Reload, RunReload } from "../rollout/reload.ts"
import { filesOf, type CertificateLine } from "./certificate-line.ts"
import { CertificateExchange } from "./certificate-set.ts"
import { IncompleteDelivery, type AgentSession, type StepsSummary } from "./session.ts"

/** Asks for files and installs them. `purser node` has this step alone. */

export interface FilesStepOptions {
  /** The base of relative paths. Default `/run/secrets`. */
  directory?: string | undefined
  /** The files to ask for. Default: everything that the agent's `list` grants. */
  files?: readonly FileLine[] | undefined
  /** Certificates for keys that are made here. They need an agent with `ask`. */
  certificates?: readonly CertificateLine[] | undefined
  reload?: Reload | undefined
  runReload: RunReload
  /** Checks that the new certificate is served; if it is not, the old files are put back. */
  check?: Check | undefined
  requireTmpfs?: boolean | undefined
  log: Log
  /** Called after each session in which every required file was sent or matched, with the absolute paths of those files. */
  onComplete?: ((required: readonly string[]) => Promise<void> | void) | undefined
}

/** The part of an agent session that the step needs. */
export interface FileAgent extends Pick<AgentSession, "list" | "signal"> {
  file(name: string, options: { have: Digest | null; line: FileLine }): Promise<Fetched>
  readonly ask?: AgentSession["ask"]
}

export type FilesStep = (agent: FileAgent) => Promise<StepsSummary>

export function filesStep({
  files,
  certificates = [],
  onComplete,
  check,
  ...options
}: FilesStepOptions): FilesStep {
  const { directory = defaultDirectory, log } = options
  let inUse = false
  const sets = new FailedSets()
  /** Deliveries of several agents run one after the other, so that their files do not mix. */
  let lastDelivery: Promise<unknown> = Promise.resolve()

  return async (agent) => {
    const asked = files ?? (await agent.list()).secrets.map(({ name }) => fileLineFor(name))
    const lines = [...asked, ...filesOf(certificates)]
    const exchanges = exchangesOf(certificates, agent, directory, log)
    const fetch: Fetch = async (name, have, line) => {
      const exchange = exchanges.get(line)
      return await (exchange?.fetch(line, have !== null) ?? agent.file(name, { have, line }))
    }
    const turn = lastDelivery.then(() =>
      deliverFiles(lines, fetch, {
        ...options,
        directory,
        inUse,
        ...(check === undefined ? {} : { check: { check, failed: { sets, target: directory } } }),
        signal: agent.signal,
      }),
    )
    lastDelivery = turn.catch(() => {})
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

/** The exchange of each certificate, by each of its three file lines. */
function exchangesOf(
  certificates: readonly CertificateLine[],
  agent: FileAgent,
  directory: string,
  log: Log,
): ReadonlyMap<FileLine, CertificateExchange> {
  if (certificates.length === 0) return new Map()
  const ask = agent.ask?.bind(agent)
  if (ask === undefined) throw new TypeError("certificates need an agent with ask()")
  return new Map(
    certificates.flatMap((certificate) => {
      const exchange = new CertificateExchange(certificate, directory, ask, log)
      return filesOf([certificate]).map((line) => [line, exchange] as const)
    }),
  )
}

function logFiles({ files, written, unchanged, lacking }: FilesResult, log: Log): void {
  for (const { line, status } of files) {
    if (status === "sent" || status === "match") log.debug(`${status}: ${line.name}`)
    else log[line.optional ? "info" : "warn"](`${status}: ${line.name}`)
  }
  if (lacking.length === 0) log.info("delivery complete", { written, unchanged })
}
