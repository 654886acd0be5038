import { isPurserError } from "../base/errors.ts"
import { silentLog, type Log } from "../base/log.ts"
import { formatHostPort } from "../base/net-address.ts"
import type { ListenAddress } from "../channel/bind.ts"
import { loadOrCreateIdentity } from "../channel/identity.ts"
import { resolveLimits } from "../channel/limits.ts"
import { defaultPort } from "../channel/port.ts"
import { defaultDirectory, targetPath } from "../files/file-line.ts"
import { runLocalReload, type RunReload } from "../rollout/reload.ts"
import { filesOf } from "./certificate-line.ts"
import { filesStep, type FilesStep } from "./files-step.ts"
import { createFluxvaultNode, type FluxvaultNode } from "./fluxvault.ts"
import { missingFiles } from "./health.ts"
import { HealthFile } from "./health-file.ts"
import { createNode, type PurserNode } from "./node.ts"
import { finishReloads, removeHalfWritten } from "./recovery.ts"
import type { RunFluxvaultNodeOptions, RunNodeOptions, RunPurserNodeOptions } from "./run-options.ts"
import { createSupervisor, type Supervisor } from "./supervise.ts"

/**
 * Runs a node from start to end, as `purser node` does: cleans up after a killed process, keeps the status file, serves
 * agents, and starts the application once its files are in place. It reads no flags and no environment of its own.
 */

/**
 * Runs until the signal, the command's end, or (with `once`) the first complete delivery. Resolves with the command's
 * exit code, or 0 when the command did not end by itself. Throws `ERR_LISTEN`, `ERR_CHILD`, `ERR_STATE`, `ERR_TARGET`,
 * and the errors of `parseEnrolment` and `loadOrCreateIdentity`.
 */
export async function runNode(options: RunNodeOptions, signal: AbortSignal): Promise<number> {
  const { directory = defaultDirectory, files, reload, check, command, env = {}, once = false } = options
  const { log = silentLog, onComplete, onCommandStart } = options
  const certificates = options.protocol === "fluxvault" ? [] : (options.certificates ?? [])
  const required = files && [...files, ...filesOf(certificates)].filter((line) => !line.optional)
  const requiredPaths = required?.map((line) => targetPath(line, directory))

  const ended = Promise.withResolvers<number>()
  // Awaited only at the end; an earlier rejection must not count as unhandled.
  ended.promise.catch(() => {})
  const stop = (): void => ended.resolve(0)
  signal.addEventListener("abort", stop, { once: true })
  using _listener = { [Symbol.dispose]: () => signal.removeEventListener("abort", stop) }

  await using supervisor = command && createSupervisor({ command, env, log })
  void supervisor?.exited.then(ended.resolve)
  const complete = async (paths: readonly string[]): Promise<void> => {
    await onComplete?.(paths)
    if (supervisor === undefined) return
    if (!supervisor.started) onCommandStart?.()
    await supervisor.start()
  }

  const runReload = options.runReload ?? reloader(supervisor, env)
  // The command does not run yet, so nothing serves a certificate to check.
  const checkAtStart = command === undefined ? check : undefined
  const recovery = { directory, files, certificates, reload, runReload, check: checkAtStart, log }
  await removeHalfWritten(recovery)
  await using health = new HealthFile(options.statusFile, { outlives: once, log })
  await health.set(requiredPaths ?? null)
  await finishReloads(recovery, signal)
  if (signal.aborted) return 0

  const step = filesStep({
    directory,
    files,
    certificates,
    reload,
    check,
    runReload,
    requireTmpfs: options.requireTmpfs,
    log,
    async onComplete(paths) {
      await health.set(paths)
      await complete(paths)
    },
  })
  const onSession = (error: unknown): void => {
    options.onSession?.(error)
    if (once && error === null) ended.resolve(0)
    else if (isPurserError(error, "ERR_CHILD")) ended.reject(error)
  }
  const serving = { log, step, directory, onSession }
  await using _node =
    options.protocol === "fluxvault"
      ? await openFluxvaultNode(options, serving)
      : await openPurserNode(options, serving)
  if (command !== undefined && process.pid === 1) {
    log.info("running as process 1 without an init", {
      hint: "start the container with --init, so that orphaned processes are reaped",
    })
  }
  if (requiredPaths !== undefined && (await missingFiles(requiredPaths)).length === 0)
    await complete(requiredPaths)
  return await ended.promise
}

interface Serving {
  readonly log: Log
  readonly step: FilesStep
  readonly directory: string
  readonly onSession: (error: unknown) => void
}

async function openPurserNode(
  options: RunPurserNodeOptions,
  { log, step, onSession }: Serving,
): Promise<PurserNode> {
  const { identityFile, listen = {}, onReady } = options
  const identity = identityFile === undefined ? undefined : await loadOrCreateIdentity(identityFile)
  const node = createNode({ ...options, identity, log, steps: step, onSession })
  const address = listen === null ? null : await node.listen(listen)
  log.info(address === null ? "ready" : listeningOn(address), { app: node.app, pin: node.pin })
  onReady?.(node, address)
  return node
}

async function openFluxvaultNode(
  { allow, limits, listen: { host = "::", port = defaultPort } = {}, onReady }: RunFluxvaultNodeOptions,
  { log, step, directory, onSession }: Serving,
): Promise<FluxvaultNode> {
  const node = createFluxvaultNode({ step, directory, limits: resolveLimits(limits), allow, log, onSession })
  const address = await node.listen({ host, port })
  log.info(listeningOn(address), { protocol: "fluxvault" })
  log.warn(
    "FluxVault's protocol is unauthenticated: any allowed address can write these files, and any host in between can read them",
    { hint: "once the agent is Purser, set PURSER_ENROL instead (docs/fluxvault.md)" },
  )
  onReady?.(node, address)
  return node
}

function listeningOn({ host, port }: ListenAddress): string {
  return `listening on ${formatHostPort(host, port)}`
}

/** Sends signals and restarts to the command. A command that does not run yet needs no reload: it will read the new files. */
function reloader(supervisor: Supervisor | undefined, env: NodeJS.ProcessEnv): RunReload {
  return async (reload, signal) => {
    if (supervisor !== undefined && !supervisor.started) return
    if (supervisor !== undefined && reload.kind === "signal") supervisor.signal(reload.signal)
    else if (supervisor !== undefined && reload.kind === "restart") await supervisor.restart()
    else await runLocalReload(reload, signal, env)
  }
}
