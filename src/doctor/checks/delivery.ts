import { appLabel, filesLabel } from "../../apps/containers/labels.ts"
import { targetPath as pathOfLine, parseFileLines } from "../../files/file-line.ts"
import { isPurserError } from "../../base/errors.ts"
import { kindOf, memoryMountsOf } from "../../copy/memory-mounts.ts"
import type { Engine } from "../../docker/engine.ts"
import type { CheckFinding } from "../finding.ts"
import type { ContainerDetails } from "../../docker/container-details.ts"

/** Checks whether a container that asks for files can get them. */

const tmpfsHint =
  "give it a tmpfs: tmpfs: /run/secrets in a Compose file, or --tmpfs /run/secrets with docker run"

/** Returns the paths of the files that a container's labels ask for, or null if they ask for nothing. */
export function requestedPaths(labels: Readonly<Record<string, string>>): readonly string[] | null {
  const files = labels[filesLabel]
  if (files === undefined) return labels[appLabel] === undefined ? null : ["/run/secrets/file"]
  try {
    return parseFileLines(files).map((line) => pathOfLine(line))
  } catch (error) {
    if (isPurserError(error)) return []
    throw error
  }
}

/** Returns the `paths` that no tmpfs covers. `destinations` are the mount points of the tmpfs mounts. */
export function uncovered(paths: readonly string[], destinations: readonly string[]): string[] {
  const plain = (path: string): string => path.replace(/^\/var\/run(?=\/)/, "/run").replace(/\/+$/, "")
  const mounts = destinations.map(plain)
  return paths.filter((path) => !mounts.some((mount) => plain(path).startsWith(`${mount}/`)))
}

export function noTmpfsFindings(paths: readonly string[], what = "it"): CheckFinding[] {
  const [first] = paths
  if (first === undefined) return []
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : ""
  return [
    {
      rule: "no-tmpfs",
      level: "warning",
      message: `${what} asks for files, but ${first}${more} would lie on a disk, so it gets none`,
      fix: tmpfsHint,
    },
  ]
}

export async function containerTmpfsFindings(
  engine: Engine,
  container: ContainerDetails,
  signal: AbortSignal,
): Promise<CheckFinding[]> {
  const paths = requestedPaths(container.labels)
  if (paths === null) return []
  const mounts = [
    ...Object.keys(container.tmpfs),
    ...container.mounts.filter(({ type }) => type === "tmpfs").map(({ destination }) => destination),
  ]
  const onVolume = memoryMountsOf(engine, container, signal)
  const onDisk: string[] = []
  for (const path of uncovered(paths, mounts)) {
    if ((await onVolume(path)).destination === undefined) onDisk.push(path)
  }
  return noTmpfsFindings(onDisk)
}

/** Warns if the container has no shell, which delivery needs unless the route proc or a tmpfs volume can be used. */
export async function shellFindings(
  engine: Engine,
  container: ContainerDetails,
  { mayUseProc, signal }: { mayUseProc: boolean; signal: AbortSignal },
): Promise<CheckFinding[]> {
  const paths = requestedPaths(container.labels)
  if (paths === null || mayUseProc) return []
  const onVolume = memoryMountsOf(engine, container, signal)
  const byVolume = await Promise.all(
    paths.map(async (path) => (await onVolume(path)).destination !== undefined),
  )
  if (byVolume.every(Boolean)) return []
  for (const path of ["/bin/sh", "/usr/bin/sh"])
    if ((await kindOf(engine, container.id, path, signal)) !== "none") return []
  return [
    {
      rule: "no-shell",
      level: "warning",
      message: "it asks for files, but its image has no shell, and every route from here needs one",
      fix: "run purser as root on the engine's host, or replace the container's --tmpfs by a tmpfs volume",
    },
  ]
}
