import { recordOf, withSerial, type CaContext } from "./context.ts"
import { listedRequest, listedRow, stateOf } from "./records/listing.ts"
import type { CertificateRecord, Listed } from "./records/record.ts"

/** Lists and finds certificates by the index. It changes no records. */

/** See `Ca.list`. */
export async function certificatesAndRequests(
  context: CaContext,
  { all }: { all: boolean },
): Promise<readonly Listed[]> {
  const index = await context.index.forReading()
  if (index === null) return []
  const now = context.now()
  const waiting = index.requests().map(listedRequest)
  const found = index.list({ all }).map((row) => listedRow(row, now))
  return [...waiting, ...found].toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/** See `Ca.find`. */
export async function findCertificate(
  context: CaContext,
  nameOrSerial: string,
): Promise<CertificateRecord | null> {
  const index = await context.index.forReading()
  if (index === null) return null
  const now = context.now()
  const named = index.named(nameOrSerial)
  const row =
    named.length > 0
      ? named.find(({ notAfter }) => notAfter >= now.getTime())
      : withSerial(index, nameOrSerial)[0]
  if (row === undefined || (named.length > 0 && stateOf(row, now) === "revoked")) return null
  return await recordOf(context, row)
}
