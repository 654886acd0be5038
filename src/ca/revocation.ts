import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { isReason, reasons, signCrl } from "./crl.ts"
import { lockCa } from "./lock.ts"
import type { Signer } from "./authority/make.ts"
import { updateIndex, lockSigner, noSuch, recordOf, withSerial, type CaContext } from "./context.ts"
import { crlNumber, revocationRow } from "./records/record-index.ts"
import type { CertificateRecord } from "./records/record.ts"

/** Taking back what was issued, and the lists that say so. */

const dayMs = 86_400_000

/** See {@link Ca.revoke}. */
export async function revoke(
  parts: CaContext,
  nameOrSerial: string,
  reason: string,
  signal: AbortSignal,
): Promise<CertificateRecord> {
  if (!isReason(reason)) {
    throw new PurserError("ERR_USAGE", `${quote(reason)} is no reason to revoke a certificate`, {
      hint: reasons.join(", "),
    })
  }
  const { directory, records, now, step } = parts
  using _lock = await lockCa(directory, signal)
  const index = await parts.index.forChange()
  const named = index.named(nameOrSerial)
  const found = named.length > 0 ? named : withSerial(index, nameOrSerial)
  if (found.length === 0) throw noSuch(nameOrSerial)
  const ours = found.filter(({ origin }) => origin !== "imported")
  if (ours.length === 0) {
    throw new PurserError("ERR_CA", `${quote(nameOrSerial)} is another CA's`, {
      hint: "only that one can revoke it",
    })
  }
  const [row] = ours
  if (row === undefined || row.revokedAt !== null) {
    throw new PurserError("ERR_REVOKED", `${quote(nameOrSerial)} has been revoked already`, {
      hint: "purser ca crl gives the list that says so; an older one of that name goes by its serial number",
    })
  }
  const record = await recordOf(parts, row)
  signal.throwIfAborted()
  const revocation = { serial: row.serial, at: now(), reason }
  await records.addRevocation(revocation)
  step("revocation")
  updateIndex(parts, index, () => index.addRevocation(revocationRow(revocation)))
  return record
}

/** See {@link Ca.crls}. */
export async function signCrls(parts: CaContext, signal: AbortSignal): Promise<readonly Buffer[]> {
  const { signer, lock } = await lockSigner(parts, signal)
  using _lock = lock
  const index = await parts.index.forChange()
  const now = parts.now()
  const { crl: days } = parts.options.config.days
  // Kept before it is given away, so that no number is given twice.
  const number = Math.max(Math.floor(now.getTime() / 1000), index.number(crlNumber) + 1)
  index.transaction(() => index.setNumber(crlNumber, number))
  const revoked = index.revocations()
  // RFC 5280 section 3.3: what has ended may be left out when one list that came after had it.
  const counts = (notAfter: number | null): boolean =>
    notAfter === null || notAfter + 2 * days * dayMs > now.getTime()
  const lists: Buffer[] = []
  for (const one of [signer, ...(await formerSigners(parts, signer, now))]) {
    const entries = revoked
      // One whose record was lost is in the list of today.
      .filter(({ issuer }) => (issuer ?? signer.serial) === one.serial)
      .filter(({ notAfter }) => counts(notAfter))
      .map(({ serial, at, reason }) => ({ serial: Buffer.from(serial, "hex"), at: new Date(at), reason }))
    lists.push(signCrl(entries, number, now, days, { certificate: one.certificate.raw, key: one.key }))
  }
  return [...lists, await parts.authority.rootCrl()]
}

/** Those before, that have not ended and whose key opens. */
async function formerSigners(
  { authority, options }: CaContext,
  current: Signer,
  now: Date,
): Promise<Signer[]> {
  const found: Signer[] = []
  for (const { serial, certificate } of await authority.intermediates()) {
    if (serial === current.serial || now > certificate.validToDate) continue
    const signer = await authority.previousSigner(serial)
    if (signer !== null) found.push(signer)
    else {
      options.log.warn(`there is no revocation list of the former intermediate ${serial}`, {
        hint: "its key is not there, or under another passphrase",
      })
    }
  }
  return found
}
