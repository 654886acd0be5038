import { posix } from "node:path"
import type { Member } from "../../../apps/containers/membership.ts"
import type { AuditedContainer } from "../../../audit/events.ts"
import { asPurserError, isPurserError } from "../../../base/errors.ts"
import { errorFields } from "../../../base/log.ts"
import type { Secret } from "../../../base/secret.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"
import { defaultDirectory, type FileLine } from "../../../files/file-line.ts"
import type { Delivery } from "../../delivery/delivery.ts"
import type { FileStatus } from "../../delivery/events.ts"
import type { ContainerTurn } from "./turn.ts"

/** A file line with its content, or with the status that explains why there is none. */
export interface FetchedFile {
  readonly line: FileLine
  readonly content: Secret | null
  readonly status: FileStatus
}

/** Reads one secret. A missing one is logged and audited once for each start of the container. */
export async function fetchFile(
  line: FileLine,
  delivery: Delivery,
  { member, container, reported, log }: ContainerTurn,
  signal: AbortSignal,
): Promise<FetchedFile> {
  const { name } = line
  const what = `${member.app.name} ${name}`
  let status: FileStatus = "missing"
  try {
    const content = await delivery.secrets.read(name, signal)
    if (content !== null) {
      reported.note(container.id, what)
      return { line, content, status: "match" }
    }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = asPurserError(thrown)
    status = isPurserError(error, "ERR_NOT_GRANTED") ? "denied" : "failed"
    if (reported.isNew(container.id, `${what}: error`, error.message))
      log.error(error.message, errorFields(error))
  }
  if (reported.isNew(container.id, what, `${status} ${container.state.startedAt}`))
    await delivery.record({ ...placeOf(member, container), secret: name }, { status })
  return { line, content: null, status }
}

/** The container as lines of the audit log name it. */
export function placeOf({ app }: Member, { id, name }: ContainerDetails): AuditedContainer {
  return { app: app.name, container: id, name }
}

/** The path in the container, whose system need not be ours. */
export function pathIn({ name, path = name }: FileLine): string {
  return posix.isAbsolute(path) ? posix.normalize(path) : posix.join(defaultDirectory, path)
}
