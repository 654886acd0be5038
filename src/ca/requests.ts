import type { Secret } from "../base/secret.ts"
import { checkName, laterThan, updateIndex, type CaContext } from "./context.ts"
import { lockCa } from "./lock.ts"
import { certificateRow, requestRow } from "./records/record-index.ts"
import type { CertificateRecord, CertificateRequest } from "./records/record.ts"

/** Requests that wait for another CA, and the certificates that answer them. */

/** See `Ca.addRequest`. */
export async function addRequest(
  parts: CaContext,
  request: CertificateRequest,
  key: Secret,
  signal: AbortSignal,
): Promise<void> {
  checkName(request.name)
  using _lock = await lockCa(parts.directory, signal)
  const index = await parts.index.forChange()
  // The key first, so that a request never waits for an answer that nobody could use.
  await parts.options.keys.set(request.id, key, signal)
  parts.step("key")
  await parts.records.addRequest(request)
  parts.step("request")
  updateIndex(parts, index, () => index.addRequest(requestRow(request)))
}

/** See `Ca.removeRequest`. */
export async function removeRequest(parts: CaContext, id: string, signal: AbortSignal): Promise<boolean> {
  using _lock = await lockCa(parts.directory, signal)
  const index = await parts.index.forChange()
  if (!index.ids("requests").has(id)) return false
  await parts.records.removeRequest(id)
  updateIndex(parts, index, () => index.remove("requests", id))
  await parts.options.keys.remove(id, signal)
  return true
}

/** See `Ca.requests`. */
export async function waitingRequests({ index, records }: CaContext): Promise<CertificateRequest[]> {
  const rows = (await index.forReading())?.requests() ?? []
  const found = await Promise.all(rows.map(({ id }) => records.request(id)))
  return found.filter((request) => request !== null)
}

/** See `Ca.addImported`. */
export async function addImported(
  parts: CaContext,
  record: CertificateRecord,
  signal: AbortSignal,
): Promise<void> {
  checkName(record.name)
  using _lock = await lockCa(parts.directory, signal)
  const index = await parts.index.forChange()
  const added = { ...record, at: laterThan(index, record.name, new Date(record.at)).toISOString() }
  await parts.records.addRecord(added)
  parts.step("record")
  await parts.records.removeRequest(record.keyId)
  updateIndex(parts, index, () => {
    index.addCertificate(certificateRow(added))
    index.remove("requests", record.keyId)
  })
}
