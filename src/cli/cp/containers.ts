import { PurserError, asPurserError } from "../../base/errors.ts"
import { copyInto, type CopyOptions, type CopyResult } from "../../copy/copy.ts"
import { reloadContainer } from "../../copy/reload.ts"
import type { FileToCopy } from "../../copy/route.ts"
import type { RouteName } from "../../copy/routes.ts"
import { pullRoute } from "../../copy/routes/pull.ts"
import type { PullOptions } from "../../copy/routes/pull/options.ts"
import { inspectContainer } from "../../docker/containers.ts"
import type { Engine } from "../../docker/engine.ts"
import type { Reload } from "../../rollout/reload.ts"
import type { Context } from "../command.ts"
import type { ContainerDetails } from "../../docker/container-details.ts"

/** Copies into each chosen container, and reports the results. */

export interface CopyFlags {
  route: RouteName | "auto"
  requireTmpfs?: boolean
  allowDisk?: boolean
  reload?: Reload
  serveAddress?: string
  isolate?: boolean
}

/** The number of containers at a time, because each needs several processes of the engine. */
const parallel = 8

interface Outcome {
  readonly container: string
  readonly id?: string
  readonly result?: CopyResult
  readonly reloaded?: boolean
  readonly error?: PurserError
}

/**
 * Copies into all containers; a failure does not stop the others. Resolves with the exit code. Throws the error of a
 * single container, or `ERR_DELIVERY` when some of several failed.
 */
export async function copyIntoAll(
  engine: Engine,
  containers: readonly string[],
  files: readonly FileToCopy[],
  flags: CopyFlags,
  context: Context,
): Promise<number> {
  const outcomes: Outcome[] = []
  const waiting = containers.values()
  const worker = async (): Promise<void> => {
    for (const name of waiting) outcomes.push(await copyIntoOne(engine, name, files, flags, context))
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  context.signal.throwIfAborted()
  const [only] = outcomes
  if (outcomes.length === 1 && only?.error !== undefined) throw only.error
  report(outcomes, context)
  const failed = outcomes.filter(({ error }) => error !== undefined).length
  if (failed === 0) return 0
  throw new PurserError("ERR_DELIVERY", `${failed} of ${outcomes.length} containers did not get the files`)
}

async function copyIntoOne(
  engine: Engine,
  name: string,
  files: readonly FileToCopy[],
  flags: CopyFlags,
  context: Context,
): Promise<Outcome> {
  let container: ContainerDetails | undefined
  try {
    container = await inspectContainer(engine, name, context.signal)
    const options: CopyOptions = {
      route: flags.route === "pull" ? pullRoute(pullOptions(flags, context)) : flags.route,
      requireTmpfs: flags.requireTmpfs ?? (flags.allowDisk !== true && flags.route === "auto"),
      log: context.log,
      signal: context.signal,
    }
    let result = await copyInto(engine, container, files, options)
    context.log.debug(`${container.name}: ${result.why}`)
    const reloaded = flags.reload !== undefined && result.written.length > 0
    if (reloaded && flags.reload !== undefined) {
      await reloadContainer(engine, container, flags.reload, context.signal)
      // The restart has emptied the container's tmpfs, so the files are copied again.
      if (flags.reload.kind === "restart") {
        container = await inspectContainer(engine, container.id, context.signal)
        result = { ...(await copyInto(engine, container, files, options)), written: result.written }
      }
    }
    return { container: container.name, id: container.id, result, reloaded }
  } catch (thrown) {
    const error = asPurserError(thrown)
    return container === undefined
      ? { container: name, error }
      : { container: container.name, id: container.id, error }
  }
}

function pullOptions({ serveAddress, isolate }: CopyFlags, { verbose, output }: Context): PullOptions {
  return {
    ...(serveAddress === undefined ? {} : { serveAddress }),
    ...(isolate === undefined ? {} : { isolate }),
    ...(verbose ? { onReceiverOutput: (text: string) => output.note(text.trimEnd()) } : {}),
  }
}

function report(outcomes: readonly Outcome[], { output, json, log }: Context): void {
  if (json) {
    for (const { result, error, ...rest } of outcomes) {
      output.result(
        {
          ...rest,
          status: error === undefined ? "ok" : "failed",
          ...(result === undefined
            ? {}
            : { route: result.route, written: result.written, unchanged: result.unchanged }),
          ...(error === undefined
            ? {}
            : { error: { code: error.code, message: error.message, hint: error.hint } }),
        },
        "",
      )
    }
    return
  }
  output.table(outcomes, [
    { title: "CONTAINER", value: ({ container }) => container },
    { title: "ROUTE", value: ({ result }) => result?.route ?? "-" },
    { title: "RESULT", value: resultOf },
  ])
  for (const { container, error } of outcomes)
    if (error?.hint !== undefined) log.warn(`${container}: ${error.message}`, { hint: error.hint })
}

function resultOf({ result, reloaded, error }: Outcome): string {
  if (error !== undefined) return `failed: ${error.message}`
  const written = result?.written.length ?? 0
  const unchanged = result?.unchanged.length ?? 0
  return [
    ...(written > 0 ? [`${written} written`] : []),
    ...(unchanged > 0 ? [`${unchanged} unchanged`] : []),
    ...(reloaded === true ? ["reloaded"] : []),
  ].join(", ")
}
