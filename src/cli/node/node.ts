import { asPurserError, isPurserError, reasonOf } from "../../base/errors.ts"
import { createLog, errorFields, type Log } from "../../base/log.ts"
import { loadOrCreateIdentity } from "../../channel/identity.ts"
import { targetPath } from "../../files/file-line.ts"
import { checkOnDisk } from "../../rollout/deliver-files.ts"
import { removeStaleTemporaries } from "../../files/stale-temporaries.ts"
import { runPendingReload, type PendingReloadOptions } from "../../rollout/pending-reload.ts"
import { runLocalReload, type RunReload } from "../../rollout/reload.ts"
import { filesOf } from "../../node/certificate-line.ts"
import { filesStep, type FilesStep } from "../../node/files-step.ts"
import { missingFiles, processMark, removeHealth, writeHealth } from "../../node/health.ts"
import { createFluxvaultNode, type FluxvaultNode } from "../../node/fluxvault.ts"
import { createNode, type PurserNode } from "../../node/node.ts"
import { childEnvironment, createSupervisor, type Supervisor } from "../../node/supervise.ts"
import { readNodeSettings, usage, type NodeSettings } from "./settings.ts"

/**
 * `purser node`, which is also the one-file receiver. It loads nothing from npm,
 * because it goes into other people's containers.
 */

/** Runs until SIGTERM, SIGINT, the command's end or (with `--once`) the first complete delivery. Resolves with the exit code. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let log = createLog(process.stderr, { name: "purser node", json: argv.includes("--json") })
  try {
    const settings = await readNodeSettings(argv, env)
    if (settings === null) {
      process.stdout.write(usage)
      return 0
    }
    const { json, verbose } = settings
    log = createLog(process.stderr, { name: "purser node", json, level: verbose ? "debug" : "info" })
    return await serve(settings, env, log)
  } catch (thrown) {
    const error = asPurserError(thrown)
    log.error(error.message, errorFields(error))
    return error.exitCode
  }
}

async function serve(settings: NodeSettings, env: NodeJS.ProcessEnv, log: Log): Promise<number> {
  const { directory, certificates, reload, check, statusFile, command, once } = settings
  const files = settings.files && [...settings.files, ...filesOf(certificates)]
  const ended = Promise.withResolvers<number>()
  const stopping = new AbortController()

  await using supervisor = command && createSupervisor({ command, env: childEnvironment(env), log })
  void supervisor?.exited.then(ended.resolve)
  // Once the command runs, it gets the signal, and its end is ours.
  const onSignal = (): void => {
    if (supervisor?.started !== true) ended.resolve(0)
  }
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal)

  const runReload = reloader(supervisor, env)
  const where = { directory, ...(files === undefined ? {} : { files }) }
  const required = files?.filter((line) => !line.optional).map((line) => targetPath(line, directory))

  // Without a list of files whatever lies below the directory is looked at, and what goes elsewhere by its lines.
  const places = [where, ...(files === undefined ? [{ directory, files: filesOf(certificates) }] : [])]
  for (const place of places) await removeStaleTemporaries(place)
  await using _ = {
    async [Symbol.asyncDispose]() {
      // With --once the files stay in use after us.
      if (statusFile === undefined || once) return
      // What went wrong before that is the news, and must not be hidden by it.
      await removeHealth(statusFile).catch((error: unknown) => log.warn(reasonOf(error)))
    },
  }
  await setHealth(settings, required ?? null)
  for (const place of places) {
    await payOwedReload({
      ...place,
      ...(reload === undefined ? {} : { reload }),
      runReload,
      // A command does not run yet.
      ...(check === undefined || command !== undefined || place.files === undefined
        ? {}
        : {
            afterReload: () => checkOnDisk(place.files ?? [], directory, check, stopping.signal),
          }),
      log,
      signal: stopping.signal,
    })
  }

  const step = filesStep({
    directory,
    ...(settings.files === undefined ? {} : { files: settings.files }),
    certificates,
    ...(reload === undefined ? {} : { reload }),
    ...(check === undefined ? {} : { check }),
    runReload,
    requireTmpfs: settings.requireTmpfs,
    log,
    async onComplete(paths) {
      await setHealth(settings, paths)
      await supervisor?.start()
    },
  })
  await using node = await openNode(settings, {
    log,
    step,
    onSession(error) {
      if (once && error === null) ended.resolve(0)
      else if (isPurserError(error, "ERR_CHILD")) ended.reject(error)
    },
  })
  await announce(node, settings, log)
  if (required !== undefined && (await missingFiles(required)).length === 0) await supervisor?.start()

  const code = await ended.promise
  stopping.abort()
  process.removeListener("SIGTERM", onSignal).removeListener("SIGINT", onSignal)
  return code
}

interface NodeParts {
  log: Log
  step: FilesStep
  onSession: (error: unknown) => void
}

async function openNode(
  settings: NodeSettings,
  { log, step, onSession }: NodeParts,
): Promise<PurserNode | FluxvaultNode> {
  const { limits, directory, identityFile, name, allow } = settings
  if (settings.protocol === "fluxvault") {
    return createFluxvaultNode({ step, directory, limits, allow: settings.allow, log, onSession })
  }
  return createNode({
    enrolment: settings.enrolment,
    ...(identityFile === undefined ? {} : { identity: await loadOrCreateIdentity(identityFile) }),
    limits,
    ...(allow === undefined ? {} : { allow }),
    ...(name === undefined ? {} : { name }),
    log,
    steps: step,
    onSession,
  })
}

/** What an earlier process owes; one that fails stays owed, and the next delivery tries it again. */
async function payOwedReload(options: PendingReloadOptions): Promise<void> {
  try {
    await runPendingReload(options)
  } catch (thrown) {
    const error = asPurserError(thrown)
    options.log.warn(error.message, errorFields(error))
  }
}

/** Signals and restarts are for the command; one that does not run yet will read the new files anyway. */
function reloader(supervisor: Supervisor | undefined, env: NodeJS.ProcessEnv): RunReload {
  return async (reload, signal) => {
    if (supervisor !== undefined && !supervisor.started) return
    if (reload.kind === "signal") supervisor?.signal(reload.signal)
    else if (reload.kind === "restart") await supervisor?.restart()
    else await runLocalReload(reload, signal, childEnvironment(env))
  }
}

async function setHealth(
  { statusFile, once }: Pick<NodeSettings, "statusFile" | "once">,
  required: readonly string[] | null,
): Promise<void> {
  if (statusFile === undefined) return
  // With --once the files stay in use after us.
  const process = once ? undefined : await processMark()
  await writeHealth(statusFile, { required, ...(process === undefined ? {} : { process }) })
}

async function announce(
  node: PurserNode | FluxvaultNode,
  { listen, command, protocol }: NodeSettings,
  log: Log,
): Promise<void> {
  const { host, port } = await node.listen({
    port: listen.port,
    host: listen.host ?? "::",
  })
  log.info(
    `listening on ${host.includes(":") ? `[${host}]` : host}:${port}`,
    "pin" in node ? { app: node.app, pin: node.pin } : { protocol },
  )
  if (protocol === "fluxvault") {
    log.warn(
      "FluxVault's protocol proves neither end: whoever connects from an allowed address can write these files, and who is in between can read them",
      {
        hint: "once the agent is Purser's, set PURSER_ENROL instead (docs/fluxvault.md)",
      },
    )
  }
  if (command !== undefined && process.pid === 1) {
    log.info("running as process 1 without an init", {
      hint: "start the container with --init, so that orphaned processes are reaped",
    })
  }
}
