import { appLabel, filesLabel } from "../../apps/containers/labels.ts"
import { targetPath as pathOfLine, parseFileLines } from "../../files/file-line.ts"
import { isPurserError } from "../../base/errors.ts"
import { kindOf, memoryMountsOf } from "../../copy/memory-mounts.ts"
import type { Engine } from "../../docker/engine.ts"
import type { Found } from "../finding.ts"
import type { ContainerDetails } from "../../docker/container-details.ts"

/** Whether a container that asks for files can have them. */

const tmpfsHint =
  "give it a tmpfs: tmpfs: /run/secrets in a Compose file, or --tmpfs /run/secrets with docker run"

/** Null for a container that asks for nothing; else where its files are to lie. */
export function askedPaths(labels: Readonly<Record<string, string>>): readonly string[] | null {
  const files = labels[filesLabel]
  if (files === undefined) return labels[appLabel] === undefined ? null : ["/run/secrets/file"]
  try {
    return parseFileLines(files).map((line) => pathOfLine(line))
  } catch (error) {
    if (isPurserError(error)) return []
    throw error
  }
}

/** Those of `paths` that no tmpfs covers. `destinations`: where one is mounted. */
export function uncovered(paths: readonly string[], destinations: readonly string[]): string[] {
  const plain = (path: string): string => path.replace(/^\/var\/run(?=\/)/, "/run").replace(/\/+$/, "")
  const mounts = destinations.map(plain)
  return paths.filter((path) => !mounts.some((mount) => plain(path).startsWith(`${mount}/`)))
}

export function noTmpfs(paths: readonly string[], what = "it"): Found[] {
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
): Promise<Found[]> {
  const paths = askedPaths(container.labels)
  if (paths === null) return []
  const mounts = [
    ...Object.keys(container.tmpfs),
    ...container.mounts.filter(({ type }) => type === "tmpfs").map(({ destination }) => destination),
  ]
  const onVolume = memoryMountsOf(engine, container, signal)
  const left: string[] = []
  for (const path of uncovered(paths, mounts)) {
    if ((await onVolume(path)).destination === undefined) left.push(path)
  }
  return noTmpfs(left)
}

/** Where neither the process's root nor a tmpfs volume can be used, only a shell in the container is left. */
export async function shellFindings(
  engine: Engine,
  container: ContainerDetails,
  { mayUseProc, signal }: { mayUseProc: boolean; signal: AbortSignal },
): Promise<Found[]> {
  const paths = askedPaths(container.labels)
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
      message: "it asks for files, its image has no shell, and from here no route works without one",
      fix: "run purser as root beside the engine, or give it a tmpfs volume in the place of the --tmpfs",
    },
  ]
}
