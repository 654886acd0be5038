import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { isReason, reasons, signCrl } from "./crl.ts"
import { lockCa } from "./lock.ts"
import type { Signer } from "./authority/make.ts"
import { updateIndex, lockSigner, noSuch, recordOf, withSerial, type CaContext } from "./context.ts"
import { crlNumber, revocationRow } from "./records/record-index.ts"
import type { CertificateRecord } from "./records/record.ts"

/** Revokes certificates and signs the CRLs that publish it. */

const dayMs = 86_400_000

/** See {@link Ca.revoke}. */
export async function revoke(
  context: CaContext,
  nameOrSerial: string,
  reason: string,
  signal: AbortSignal,
): Promise<CertificateRecord> {
  if (!isReason(reason)) {
    throw new PurserError("ERR_USAGE", `${quote(reason)} is not a reason for a revocation`, {
      hint: `use one of ${reasons.join(", ")}`,
    })
  }
  const { directory, records, now, step } = context
  using _lock = await lockCa(directory, signal)
  const index = await context.index.forChange()
  const named = index.named(nameOrSerial)
  const found = named.length > 0 ? named : withSerial(index, nameOrSerial)
  if (found.length === 0) throw noSuch(nameOrSerial)
  const ours = found.filter(({ origin }) => origin !== "imported")
  if (ours.length === 0) {
    throw new PurserError("ERR_CA", `${quote(nameOrSerial)} was issued by another CA`, {
      hint: "only that CA can revoke it",
    })
  }
  const [row] = ours
  if (row === undefined || row.revokedAt !== null) {
    throw new PurserError("ERR_REVOKED", `${quote(nameOrSerial)} has been revoked already`, {
      hint: "purser ca crl prints the list with it; revoke an older certificate of that name by its serial number",
    })
  }
  const record = await recordOf(context, row)
  signal.throwIfAborted()
  const revocation = { serial: row.serial, at: now(), reason }
  await records.addRevocation(revocation)
  step("revocation")
  updateIndex(context, index, () => index.addRevocation(revocationRow(revocation)))
  return record
}

/** See {@link Ca.crls}. */
export async function signCrls(context: CaContext, signal: AbortSignal): Promise<readonly Buffer[]> {
  const { signer, lock } = await lockSigner(context, signal)
  using _lock = lock
  const index = await context.index.forChange()
  const now = context.now()
  const { crl: days } = context.options.config.days
  // The number is stored before it is used, so that no two CRLs share one.
  const number = Math.max(Math.floor(now.getTime() / 1000), index.number(crlNumber) + 1)
  index.transaction(() => index.setNumber(crlNumber, number))
  const revoked = index.revocations()
  // RFC 5280 section 3.3: an expired certificate may be left out only after one regular CRL past its expiry listed it.
  const mustList = (notAfter: number | null): boolean =>
    notAfter === null || notAfter + 2 * days * dayMs > now.getTime()
  const lists: Buffer[] = []
  for (const one of [signer, ...(await previousSigners(context, signer, now))]) {
    const entries = revoked
      // A revoked certificate without a record goes into the current intermediate's CRL.
      .filter(({ issuer }) => (issuer ?? signer.serial) === one.serial)
      .filter(({ notAfter }) => mustList(notAfter))
      .map(({ serial, at, reason }) => ({ serial: Buffer.from(serial, "hex"), at: new Date(at), reason }))
    lists.push(signCrl(entries, number, now, days, { certificate: one.certificate.raw, key: one.key }))
  }
  return [...lists, await context.authority.rootCrl()]
}

/** Previous intermediates that have not expired and whose key opens. Warns of the others that have not expired. */
async function previousSigners(
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
      options.log.warn(`there is no CRL of the previous intermediate ${serial}`, {
        hint: "its key is missing, or has another passphrase",
      })
    }
  }
  return found
}
