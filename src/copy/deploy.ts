import { PurserError, asPurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { inspectContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { checkServed, leafAmong, localHosts, type Check, type Leaf } from "../rollout/check.ts"
import { contentsDigest, type FailedSets } from "../rollout/failed-sets.ts"
import type { Reload } from "../rollout/reload.ts"
import { copyInto, type CopyOptions, type CopyResult } from "./copy.ts"
import { readOld, removeFrom, type OldFile } from "./old-files.ts"
import { reloadContainer } from "./reload.ts"
import type { FileToCopy } from "./route.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/**
 * Copies a set into a container, reloads it, and sees that what it serves is new; where it is not, the old set is
 * put back and reloaded. The old contents are in our memory only: who dies between the copy and the check leaves the
 * new ones there.
 */

export interface DeployOptions extends CopyOptions {
  readonly reload?: Reload
  /** None: nothing is checked, and nothing rolled back. */
  readonly checks: readonly Check[]
  /** What failed is not tried again at once; `target` is its name there. */
  readonly held?: { readonly sets: FailedSets; readonly target: string }
  /** Once the files are there: whether the reload and the checks follow. Default: when something was written. */
  readonly onCopied?: (copied: CopyResult) => Promise<boolean>
  /** When the old set is back, before its reload. */
  readonly onRolledBack?: (paths: readonly string[], error: PurserError) => Promise<void>
}

export interface Deployed extends CopyResult {
  readonly reloaded: boolean
  readonly checked: boolean
}

/**
 * Throws what `copyInto` and `reloadContainer` throw, and `ERR_CHECK`: before anything changed, where the check cannot
 * be made or the old files cannot be kept; or afterwards, when the old set is back (or none was there).
 */
export async function deployToContainer(
  engine: Engine,
  container: ContainerDetails,
  files: readonly FileToCopy[],
  options: DeployOptions,
): Promise<Deployed> {
  const { reload, checks, signal, held } = options
  const isDue = options.onCopied ?? (async ({ written }: CopyResult) => written.length > 0)
  if (checks.length === 0) {
    const copied = await copyInto(engine, container, files, options)
    const reloaded = (await isDue(copied)) && reload !== undefined
    if (reloaded) await reloadContainer(engine, container, reload, signal)
    return { ...copied, reloaded, checked: false }
  }
  if (reload?.kind === "restart")
    throw new PurserError("ERR_CHECK", "a check does not go together with the reload restart", {
      hint: "a restart empties the container's memory, the old files with it: use a signal or exec:COMMAND",
    })
  const hosts = checks.some(({ host }) => host === null) ? await hostsOf(engine, container, signal) : []
  const leaves = leavesOf(checks, files)
  const set = contentsDigest(files.map(({ path, content }) => ({ name: path, content })))
  let old: ReadonlyMap<string, OldFile> = new Map()
  const copied = await copyInto(engine, container, files, {
    ...options,
    async beforeChange() {
      held?.sets.throwIfFailed(held.target, set)
      old = await readOld({
        engine,
        container,
        files,
        signal,
        log: options.log,
        requireTmpfs: false,
        beforeChange: async () => {},
      })
      await options.beforeChange?.()
    },
  })
  if (!(await isDue(copied))) return { ...copied, reloaded: false, checked: false }
  try {
    if (reload !== undefined) await reloadContainer(engine, container, reload, signal)
    for (const [check, leaf] of leaves) await checkServed(check, leaf, hosts, signal)
    return { ...copied, reloaded: reload !== undefined, checked: true }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = asPurserError(thrown)
    if (error.code !== "ERR_CHECK" && error.code !== "ERR_RELOAD") throw error
    // It waits, or its memory is gone with its end: nothing of that is the files' fault.
    if (error.code === "ERR_RELOAD" && (await isAwayNow(engine, container, signal))) throw error
    held?.sets.recordFailure(held.target, set)
    throw await rollBack({ engine, container, files, options, hosts, old, copied }, error)
  }
}

function leavesOf(
  checks: readonly Check[],
  files: readonly FileToCopy[],
): readonly (readonly [Check, Leaf])[] {
  const named = files.map(({ path, content }) => ({ name: path, content }))
  return checks.map((check) => [check, leafAmong(check, named)] as const)
}

async function isAwayNow(
  engine: Engine,
  { id, state }: ContainerDetails,
  signal: AbortSignal,
): Promise<boolean> {
  const now = await inspectContainer(engine, id, signal)
  return !now.state.running || now.state.paused || now.state.startedAt !== state.startedAt
}

interface RollBack {
  engine: Engine
  container: ContainerDetails
  files: readonly FileToCopy[]
  options: DeployOptions
  hosts: readonly string[]
  old: ReadonlyMap<string, OldFile>
  copied: CopyResult
}

/** The error to throw; it says whether the old set serves again. */
async function rollBack(
  { engine, container, files, options, hosts, old, copied }: RollBack,
  cause: PurserError,
): Promise<PurserError> {
  const { reload, checks, signal, log, requireTmpfs, route } = options
  const failed = (what: string): PurserError =>
    new PurserError("ERR_CHECK", `${cause.message}; ${what}`, { cause, hint: cause.hint })
  const written = new Set(copied.written)
  const before = files.flatMap(({ path }): FileToCopy[] => {
    const one = old.get(path)
    if (one === undefined || !written.has(path)) return []
    return [{ path, content: one.content, mode: one.mode, owner: `${one.uid}:${one.gid}` }]
  })
  if (before.length === 0)
    return failed(`nothing was there before that could be put back into ${quote(container.name)}`)
  try {
    const copyOptions = { requireTmpfs, log, signal, ...(route === undefined ? {} : { route }) }
    await copyInto(engine, container, before, {
      ...copyOptions,
      ...(options.pull === undefined ? {} : { pull: options.pull }),
    })
    const added = copied.written.filter((path) => !old.has(path))
    await removeFrom(
      { engine, container, files, signal, log, requireTmpfs, beforeChange: async () => {} },
      added,
    )
    await options.onRolledBack?.(
      before.map(({ path }) => path),
      cause,
    )
    if (reload !== undefined) await reloadContainer(engine, container, reload, signal)
  } catch (error) {
    signal.throwIfAborted()
    return failed(`and the old files could not be put back and reloaded: ${asPurserError(error).message}`)
  }
  // With those that did not change.
  const all = files.map(({ path, content }) => ({ name: path, content: old.get(path)?.content ?? content }))
  try {
    for (const check of checks) await checkServed(check, leafAmong(check, all), hosts, signal)
  } catch (error) {
    signal.throwIfAborted()
    return failed(`the old files are back, and are not served either: ${asPurserError(error).message}`)
  }
  return failed("the old files are back, and served")
}

/** Where a check without a host asks. Throws `ERR_CHECK` for a container that has no network. */
export async function hostsOf(
  engine: Engine,
  container: ContainerDetails,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { hostConfigNetworkMode: mode, networks, name } = container
  if (mode === "host") return localHosts
  const other = /^container:(.+)$/.exec(mode)?.[1]
  if (other !== undefined) return await hostsOf(engine, await inspectContainer(engine, other, signal), signal)
  const found = Object.values(networks).flatMap((network) => addressesOf(network))
  if (found.length > 0) return found
  throw new PurserError("ERR_CHECK", `${quote(name)} has no address to be checked at`, {
    hint: "give it a network, or name HOST:PORT in the check",
  })
}

function addressesOf(network: ContainerDetails["networks"][string]): readonly string[] {
  return [network.ipAddress].filter((address) => address !== "")
}
