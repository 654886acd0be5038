import type { Secret } from "../base/secret.ts"
import { checkName, laterThan, updateIndex, type CaContext } from "./context.ts"
import { lockCa } from "./lock.ts"
import { certificateRow, requestRow } from "./records/record-index.ts"
import type { CertificateRecord, CertificateRequest } from "./records/record.ts"

/** Stores pending requests for other CAs, and the certificates that these CAs issue. It checks no chains. */

/** See `Ca.addRequest`. */
export async function addRequest(
  context: CaContext,
  request: CertificateRequest,
  key: Secret,
  signal: AbortSignal,
): Promise<void> {
  checkName(request.name)
  using _lock = await lockCa(context.directory, signal)
  const index = await context.index.forChange()
  // The key is stored before the request, so that every pending request has its key.
  await context.options.keys.set(request.id, key, signal)
  context.step("key")
  await context.records.addRequest(request)
  context.step("request")
  updateIndex(context, index, () => index.addRequest(requestRow(request)))
}

/** See `Ca.removeRequest`. */
export async function removeRequest(context: CaContext, id: string, signal: AbortSignal): Promise<boolean> {
  using _lock = await lockCa(context.directory, signal)
  const index = await context.index.forChange()
  if (!index.ids("requests").has(id)) return false
  await context.records.removeRequest(id)
  updateIndex(context, index, () => index.remove("requests", id))
  await context.options.keys.remove(id, signal)
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
  context: CaContext,
  record: CertificateRecord,
  signal: AbortSignal,
): Promise<void> {
  checkName(record.name)
  using _lock = await lockCa(context.directory, signal)
  const index = await context.index.forChange()
  const added = { ...record, at: laterThan(index, record.name, new Date(record.at)).toISOString() }
  await context.records.addRecord(added)
  context.step("record")
  await context.records.removeRequest(record.keyId)
  updateIndex(context, index, () => {
    index.addCertificate(certificateRow(added))
    index.remove("requests", record.keyId)
  })
}
