import type { X509Certificate } from "node:crypto"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"

/**
 * Puts certificates into the order in which a service sends them, and checks that each is signed by the next. It does
 * not check name constraints: the client that verifies the chain does.
 */

export interface Chain {
  readonly leaf: X509Certificate
  /** The leaf's issuer first, without the root. */
  readonly intermediates: readonly X509Certificate[]
  /** Null if it is neither among the certificates nor among `roots`. */
  readonly root: X509Certificate | null
  /** Subject of the issuer whose certificate is missing; null if the root is there. */
  readonly missing: string | null
}

export interface ChainOptions {
  readonly now: Date
  /** Trusted roots. If there are any, the chain must end in one of them. */
  readonly roots?: readonly X509Certificate[]
}

const skewMs = 5 * 60_000
const mostIssuers = 10

/**
 * Orders the chain of `leaf`. `others` may be in any order, with or without the root, and hold unrelated certificates.
 * Throws `ERR_CERTIFICATE` for a gap, an invalid signature, an issuer that is not a CA, too long a path, a root that is
 * not among `roots`, and certificates that have expired or are not valid yet.
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
  if (current === leaf && !leaf.ca) throw bad(`${subjectName(leaf)} is self-signed, not issued by a CA`)
  if (roots.length > 0 && !roots.some((root) => root.fingerprint256 === current.fingerprint256)) {
    throw bad(`the chain ends in ${subjectName(current)}, which is none of the given roots`)
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
  // With a root, or with CA certificates that did not fit, an intermediate in between must be missing.
  const unused = others.some((one) => one.ca && one !== leaf && !above.includes(one))
  if (roots.length > 0 || unused) {
    throw bad(
      `the chain has a gap: the certificate of ${missing} is missing`,
      "add this certificate to the files",
    )
  }
  return { leaf, intermediates: above, root: null, missing }
}

/** Finds the issuer by name and key identifier, then by signature; null if none has its name. Throws `ERR_CERTIFICATE`. */
function issuerOf(certificate: X509Certificate, pool: readonly X509Certificate[]): X509Certificate | null {
  const named = pool.filter(
    (one) => one.subject === certificate.issuer && one.fingerprint256 !== certificate.fingerprint256,
  )
  const signer = named.find((one) => certificate.checkIssued(one) && isSignedBy(certificate, one))
  if (signer !== undefined) return signer
  // These certificates have the issuer's name, but are not CAs or did not sign: that must not be reported as a gap.
  const pretender = named.find((one) => isSignedBy(certificate, one))
  if (pretender !== undefined)
    throw bad(`${subjectName(pretender)} has signed ${subjectName(certificate)}, but is not a CA`)
  if (named.length > 0) {
    throw bad(
      `${subjectName(certificate)} was not signed by ${subjectName(named[0] ?? certificate)}`,
      "the file was changed, or the issuer has another certificate of the same name: ask the CA for it",
    )
  }
  return null
}

/** `below`: number of CAs between this issuer and the leaf. Throws `ERR_CERTIFICATE`. */
async function checkIssuer(issuer: X509Certificate, below: number): Promise<void> {
  if (!issuer.ca) throw bad(`${subjectName(issuer)} has signed a certificate, but is not a CA`)
  const { BasicConstraints, Certificate } = await import("pkijs")
  const extension = Certificate.fromBER(issuer.raw).extensions?.find(({ extnID }) => extnID === "2.5.29.19")
  const value: unknown = extension?.parsedValue
  const most = value instanceof BasicConstraints ? value.pathLenConstraint : undefined
  if (typeof most === "number" && below > most)
    throw bad(`${subjectName(issuer)} may have at most ${most} CAs below it, but has ${below}`)
}

function checkTime(certificate: X509Certificate, now: Date): void {
  const { validFromDate: from, validToDate: to } = certificate
  if (now > to) throw bad(`${subjectName(certificate)} expired at ${to.toISOString()}`)
  if (now.getTime() + skewMs < from.getTime())
    throw bad(
      `${subjectName(certificate)} is not valid before ${from.toISOString()}`,
      "check the clock of this machine",
    )
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && isSignedBy(certificate, certificate)
}

/** False also if the issuer's key is of a kind unknown to Node, which throws then. */
function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey)
  } catch {
    return false
  }
}

/** The subject, quoted for a message; without one the alternative names, or the serial number. */
export function subjectName({ subject, subjectAltName, serialNumber }: X509Certificate): string {
  return lineOf(subject || subjectAltName || `serial ${serialNumber}`)
}

function lineOf(name: string): string {
  return quote(name.split("\n").join(", "))
}

function bad(why: string, hint?: string): PurserError {
  return new PurserError("ERR_CERTIFICATE", why, { hint })
}
