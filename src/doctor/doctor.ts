import { inspectContainer, listContainers } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { inspectImage, listImages } from "../docker/images.ts"
import { engineInfo } from "../docker/info.ts"
import { isPurserError } from "../base/errors.ts"
import { readConfigText } from "../config/config-text.ts"
import { besideComposeFile } from "./compose-beside.ts"
import { composeFileFindings } from "./compose-file.ts"
import { accessFindings, clockFindings, socketFindings, swapFindings } from "./checks/host.ts"
import { containerFindings, type AsksInVain } from "./container.ts"
import type { Finding, CheckFinding, Subject } from "./finding.ts"
import { imageFindings } from "./image.ts"

/**
 * Examines an engine, or one container or image of it, and reports where secrets leak and how to fix that. It may not
 * change anything, start anything in a container, or print a value.
 */

export interface DoctorOptions {
  /** Examines only this container, by name or id, and its image. */
  readonly container?: string
  /** Examines only this image. */
  readonly image?: string
  readonly asksInVain?: AsksInVain | undefined
  readonly signal: AbortSignal
}

/** Throws `ERR_NO_SUCH_CONTAINER`, `ERR_NO_SUCH_IMAGE`, and the errors of the engine's calls. */
export async function examine(engine: Engine, options: DoctorOptions): Promise<Finding[]> {
  const { container, image, signal } = options
  if (image !== undefined) return await examineImage(engine, image, signal)
  if (container !== undefined) {
    const details = await inspectContainer(engine, container, signal)
    return [
      ...(await examineContainer(engine, details.id, options)),
      ...(await examineImage(engine, details.image, signal).catch(ignoreGone)),
    ]
  }
  const findings = await examineHost(engine, signal)
  for (const { id } of await listContainers(engine, { all: true }, signal))
    findings.push(...(await examineContainer(engine, id, options).catch(ignoreGone)))
  for (const { id } of await listImages(engine, signal))
    findings.push(...(await examineImage(engine, id, signal).catch(ignoreGone)))
  return findings
}

async function examineHost(engine: Engine, signal: AbortSignal): Promise<Finding[]> {
  const askedAt = Date.now()
  const info = await engineInfo(engine, signal)
  const clock = clockFindings(info, { askedAt, answeredAt: Date.now() })
  return withSubject({ kind: "engine", name: engine.address }, [
    ...accessFindings(engine, info),
    ...(await socketFindings(engine)),
    ...clock,
    ...(engine.isLocal ? await swapFindings() : []),
  ])
}

async function examineContainer(
  engine: Engine,
  id: string,
  { asksInVain, signal }: DoctorOptions,
): Promise<Finding[]> {
  const container = await inspectContainer(engine, id, signal)
  const mayUseProc = engine.isLocal && process.platform === "linux" && process.getuid?.() === 0
  const found = await containerFindings(engine, container, { mayUseProc, asksInVain, signal })
  return withSubject({ kind: "container", name: container.name }, found)
}

async function examineImage(engine: Engine, name: string, signal: AbortSignal): Promise<Finding[]> {
  const image = await inspectImage(engine, name, signal)
  const found = await imageFindings(engine, image, signal)
  return withSubject(
    { kind: "image", name: image.repoTags[0] ?? image.id.slice(0, "sha256:".length + 12) },
    found,
  )
}

/** Examines the Compose file at this path and the files that it names, without an engine. Throws `ERR_CONFIG`. */
export async function examineComposeFile(file: string): Promise<Finding[]> {
  const text = await readConfigText(file)
  return withSubject({ kind: "compose file", name: file }, [
    ...composeFileFindings(text, file),
    ...(await besideComposeFile(text, file)),
  ])
}

function withSubject(subject: Subject, found: readonly CheckFinding[]): Finding[] {
  return found.map((one) => ({ ...one, subject }))
}

/** Ignores a container or image that was removed during the examination. */
function ignoreGone(error: unknown): Finding[] {
  if (isPurserError(error, "ERR_NO_SUCH_CONTAINER") || isPurserError(error, "ERR_NO_SUCH_IMAGE")) return []
  throw error
}
