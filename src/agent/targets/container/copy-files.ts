import { deployToContainer } from "../../../copy/deploy.ts"
import { reloadContainer } from "../../../copy/reload.ts"
import type { FileToCopy } from "../../../copy/route.ts"
import { formatReload } from "../../../rollout/reload.ts"
import type { ContainerStart } from "../../../state/container-starts.ts"
import type { Delivery } from "../../delivery/delivery.ts"
import { pathIn, placeOf, type FetchedFile } from "./fetch.ts"
import type { ContainerTurn } from "./turn.ts"

/** Paths that a copy wrote, and those of them that held other content before. */
export interface Written {
  readonly written: readonly string[]
  readonly replaced: readonly string[]
}

export interface CopyContext {
  readonly start: ContainerStart
  readonly delivery: Delivery
  readonly turn: ContainerTurn
  /** Called when the files are in place. Resolves with whether the reload is due. */
  readonly onCopied: (copied: Written) => Promise<boolean>
}

/** Brings what was fetched into the container. Every file is in the audit log before it can be read there. */
export async function copyFiles(
  fetched: readonly FetchedFile[],
  { start, delivery, turn, onCopied }: CopyContext,
  signal: AbortSignal,
): Promise<{ reloaded: boolean }> {
  const { member, container, engine, starts, reported, failedSets, audit, log } = turn
  const { reload, check } = member
  const place = placeOf(member, container)
  const there = fetched.flatMap(({ line, content }) => {
    if (content === null) return []
    const path = pathIn(line)
    const { mode, owner } = line
    const file: FileToCopy = { path, content, mode, ...(owner === undefined ? {} : { owner }) }
    const tag = audit.contentTag(content)
    const what = `${start.app} ${line.name} at ${path}`
    return [{ secret: line.name, file, tag, what, value: `${tag} ${start.startedAt}` }]
  })
  if (there.length === 0) {
    const isDue = await onCopied({ written: [], replaced: [] })
    if (isDue && reload !== undefined) await reloadContainer(engine, container, reload, signal)
    return { reloaded: isDue && reload !== undefined }
  }
  const recorded = new Set<(typeof there)[number]>()
  const record = async (these: typeof there): Promise<void> => {
    for (const one of these) recorded.add(one)
    await Promise.all(
      these.map(({ secret, file: { content } }) =>
        delivery.record({ ...place, secret }, { status: "sent", content }),
      ),
    )
  }
  const files = there.map(({ file }) => file)
  const { reloaded } = await deployToContainer(engine, container, files, {
    ...(reload === undefined ? {} : { reload }),
    checks: check === undefined ? [] : [check],
    // Another start has other memory, and is another try.
    failed: { sets: failedSets, target: `${start.app} ${start.id} ${start.startedAt}` },
    async onRolledBack(paths, error) {
      // The old files lie there now, not what was noted.
      for (const { what } of there) reported.note(container.id, what)
      await delivery.recordRollback(place, paths, error)
    },
    requireTmpfs: member.app.containers?.requireTmpfs ?? true,
    log,
    signal,
    async beforeChange() {
      if (reload !== undefined) {
        const { isComplete } = starts.find(start)
        starts.remember(start, { isComplete, pendingReload: formatReload(reload) })
      }
      // A file that was delivered to this start, and is as it was, most likely lies there still.
      await record(there.filter(({ what, value }) => !reported.has(container.id, what, value)))
    },
    async onWritten(copied) {
      log.debug(`${start.app} ${container.name}: ${copied.why}`)
      for (const { what, value } of there) reported.note(container.id, what, value)
      // Files that were removed or changed in the container.
      const written = new Set(copied.written)
      await record(there.filter((one) => written.has(one.file.path) && !recorded.has(one)))
      return await onCopied(copied)
    },
  })
  return { reloaded }
}
