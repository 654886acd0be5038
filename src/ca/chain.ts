import type { X509Certificate } from "node:crypto"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"

/**
 * Puts certificates into the order in which a service sends them, and checks that each has signed the one before.
 * Name constraints are left to whoever verifies in the end, who knows the names that count.
 */

export interface Chain {
  readonly leaf: X509Certificate
  /** The leaf's issuer first, without the root. */
  readonly intermediates: readonly X509Certificate[]
  /** Null where it is neither among them nor given. */
  readonly root: X509Certificate | null
  /** Subject of the issuer that nobody gave us; null with a root. */
  readonly missing: string | null
}

export interface ChainOptions {
  readonly now: Date
  /** Trusted roots. If given, the chain must end in one of them. */
  readonly roots?: readonly X509Certificate[]
}

const skewMs = 5 * 60_000
const mostIssuers = 10

/**
 * `others` in any order, with or without the root, and with certificates that have nothing to do with it. Throws
 * `ERR_CERTIFICATE`: a gap, a signature that does not hold, an issuer that is no CA or may have none below it, an end
 * in no root that was given, and what has expired or not begun.
 */
export async function orderChain(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  { now, roots = [] }: ChainOptions,
): Promise<Chain> {
  checkTime(leaf, now)
  const pool = [...others, ...roots]
  const above: X509Certificate[] = []
  let current = leaf
  while (!isSelfSigned(current)) {
    const issuer = issuerOf(current, pool)
    if (issuer === null) return incomplete(leaf, above, current, others, roots)
    if (above.length === mostIssuers) throw bad(`the chain has more than ${mostIssuers} issuers`)
    await checkIssuer(issuer, above.length)
    checkTime(issuer, now)
    above.push(issuer)
    current = issuer
  }
  if (current === leaf && !leaf.ca)
    throw bad(`${subjectName(leaf)} has signed itself`, "it is no other CA's certificate")
  if (roots.length > 0 && !roots.some((root) => root.fingerprint256 === current.fingerprint256)) {
    throw bad(`the chain ends in ${subjectName(current)}, which is not the root that was given`)
  }
  return { leaf, intermediates: above.slice(0, -1), root: current, missing: null }
}

function incomplete(
  leaf: X509Certificate,
  above: readonly X509Certificate[],
  last: X509Certificate,
  others: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): Chain {
  const missing = lineOf(last.issuer)
  // A root, or CAs that lead nowhere, mean that an intermediate between was left out.
  const unused = others.some((one) => one.ca && one !== leaf && !above.includes(one))
  if (roots.length > 0 || unused) {
    throw bad(`the chain has a gap: the certificate of ${missing} is missing`, "add it to the files")
  }
  return { leaf, intermediates: above, root: null, missing }
}

/** By name and key identifier, and then by signature. */
function issuerOf(certificate: X509Certificate, pool: readonly X509Certificate[]): X509Certificate | null {
  const named = pool.filter(
    (one) => one.subject === certificate.issuer && one.fingerprint256 !== certificate.fingerprint256,
  )
  const signer = named.find((one) => certificate.checkIssued(one) && isSignedBy(certificate, one))
  if (signer !== undefined) return signer
  // One of the same name that is no CA, or did not sign it, would be taken for a gap.
  const pretender = named.find((one) => isSignedBy(certificate, one))
  if (pretender !== undefined)
    throw bad(`${subjectName(pretender)} has signed ${subjectName(certificate)}, and may not`, "it is no CA")
  if (named.length > 0) {
    throw bad(
      `the signature of ${subjectName(certificate)} is not of ${subjectName(named[0] ?? certificate)}`,
      "it was changed, or its issuer has another certificate of the same name: ask the CA for that one",
    )
  }
  return null
}

/** `below`: how many CAs follow it already. */
async function checkIssuer(issuer: X509Certificate, below: number): Promise<void> {
  if (!issuer.ca) throw bad(`${subjectName(issuer)} is no CA, but has signed`)
  const { BasicConstraints, Certificate } = await import("pkijs")
  const extension = Certificate.fromBER(issuer.raw).extensions?.find(({ extnID }) => extnID === "2.5.29.19")
  const value: unknown = extension?.parsedValue
  const most = value instanceof BasicConstraints ? value.pathLenConstraint : undefined
  if (typeof most === "number" && below > most)
    throw bad(`${subjectName(issuer)} may have ${most} CAs below it, and has ${below}`)
}

function checkTime(certificate: X509Certificate, now: Date): void {
  const { validFromDate: from, validToDate: to } = certificate
  if (now > to) throw bad(`${subjectName(certificate)} expired at ${to.toISOString()}`)
  if (now.getTime() + skewMs < from.getTime())
    throw bad(
      `${subjectName(certificate)} is not valid before ${from.toISOString()}`,
      "is the clock of this machine right?",
    )
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && isSignedBy(certificate, certificate)
}

/** Node throws where it does not know the kind of key: then nobody can tell that it has signed. */
function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey)
  } catch {
    return false
  }
}

/** Its subject, as a message may show it. */
export function subjectName({ subject, subjectAltName, serialNumber }: X509Certificate): string {
  return lineOf(subject || subjectAltName || `serial ${serialNumber}`)
}

function lineOf(name: string): string {
  return quote(name.split("\n").join(", "))
}

function bad(why: string, hint?: string): PurserError {
  return new PurserError("ERR_CERTIFICATE", why, { hint })
}
