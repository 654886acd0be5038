import { createPublicKey, sign } from "node:crypto"
import { signatureAlgorithm } from "../x509/key-families.ts"
import * as der from "../x509/der.ts"
import { keyIdentifier, type Issuer } from "./certificate.ts"
import { subjectOf } from "../x509/der-elements.ts"

/** Writes certificate revocation lists (CRLs), version 2 (RFC 5280 section 5). It does not decide what they list. */

/** CRLReason (RFC 5280 section 5.3.1), without certificateHold and removeFromCRL: no revocation is undone here. */
const reasonCodes = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const

export type Reason = keyof typeof reasonCodes

export const reasons = Object.keys(reasonCodes) as readonly Reason[]

export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasonCodes, text)
}

/** The name of a CRLReason; undefined for a code that is never used here. */
export function revocationReason(code: number): Reason | undefined {
  return reasons.find((reason) => reasonCodes[reason] === code)
}

export interface RevokedEntry {
  readonly serial: Buffer
  readonly at: Date
  /** One of {@link reasons}. */
  readonly reason: string
}

const dayMs = 86_400_000

/**
 * Signs a CRL; DER. `number` must grow with each CRL of the issuer; `days`: time until the next update. Throws a
 * `TypeError` for an unknown reason.
 */
export function signCrl(
  entries: readonly RevokedEntry[],
  number: number,
  now: Date,
  days: number,
  issuer: Issuer,
): Buffer {
  const { identifier, hash } = signatureAlgorithm(issuer.key)
  const authority = keyIdentifier(createPublicKey(issuer.key))
  const body = der.sequence(
    der.integer(1),
    identifier,
    subjectOf(issuer.certificate),
    der.time(now),
    der.time(new Date(now.getTime() + days * dayMs)),
    // RFC 5280 section 5.1.2.6: without entries, the list must be absent.
    ...(entries.length === 0 ? [] : [der.sequence(...entries.map(revoked))]),
    der.contextTag(
      0,
      der.sequence(
        extension("2.5.29.35", der.sequence(der.contextPrimitive(0, authority))),
        extension("2.5.29.20", der.integer(number)),
      ),
    ),
  )
  return der.sequence(body, identifier, der.bitString(sign(hash, body, issuer.key)))
}

function revoked({ serial, at, reason }: RevokedEntry): Buffer {
  if (!isReason(reason)) throw new TypeError("not a reason of RFC 5280")
  const code = reasonCodes[reason]
  // RFC 5280 section 5.3.1: "unspecified" should be expressed by leaving the reason out.
  const extensions = code === 0 ? [] : [der.sequence(extension("2.5.29.21", der.enumerated(code)))]
  return der.sequence(der.integer(serial), der.time(at), ...extensions)
}

function extension(id: string, value: Buffer): Buffer {
  return der.sequence(der.oid(id), der.octetString(value))
}
