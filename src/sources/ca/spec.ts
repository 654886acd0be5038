import { z } from "zod"
import { PurserError } from "../../base/errors.ts"
import { checkNames, type CertificateSpec } from "../../ca/certificate-spec.ts"
import { keyTypeNames } from "../../x509/key-families.ts"
import { certificateName } from "../../config/scalars.ts"

/** An entry `{ ca: … }` of `secrets:`, as written and as the source takes it. */

/** The resolved entry of a certificate's set. */
export interface CaSpec {
  readonly kind: "ca"
  /** Certificate name. */
  readonly name: string
  /** The certificate to issue automatically; undefined for one that is issued by hand, or imported. */
  readonly certificate: CertificateSpec | undefined
}

export const caEntrySchema = z.strictObject({
  ca: certificateName.describe(
    "a certificate's set: tls.crt, tls.key and ca.crt below the name of this entry",
  ),
  dns: z
    .array(z.string())
    .default([])
    .describe("host names; a certificate with names is issued and renewed automatically"),
  ip: z.array(z.string()).default([]).describe("addresses"),
  email: z.array(z.string()).default([]).describe("mail addresses"),
  client: z.boolean().default(false).describe("also valid for clients"),
  days: z.int().min(1).max(3650).optional().describe("how long it is valid; default: ca.days.leaf"),
  key: z.enum(keyTypeNames).optional().describe("default: ca.keys.leaf"),
})

export type CaEntry = z.output<typeof caEntrySchema>

/** Resolves an entry. Throws `ERR_CA_POLICY` for an invalid name. */
export function caSpecOf(entry: CaEntry): CaSpec {
  return { kind: "ca", name: entry.ca, certificate: certificateSpecOf(entry) }
}

/** Returns undefined without any name. Throws `ERR_CA_POLICY` for an invalid name. */
function certificateSpecOf({ dns, ip, email, client, days, key }: CaEntry): CertificateSpec | undefined {
  if (dns.length + ip.length + email.length === 0) return undefined
  return checkNames({
    dns,
    ip,
    email,
    client,
    ...(days === undefined ? {} : { days }),
    ...(key === undefined ? {} : { key }),
  })
}

/** Returns the entries `{ ca: … }` of `secrets:`, without those with invalid names, which were reported already. */
export function certificatesIn(secrets: Readonly<Record<string, unknown>>): [entry: string, CaSpec][] {
  return Object.entries(secrets).flatMap(([name, entry]): [string, CaSpec][] => {
    if (!isCaEntry(entry)) return []
    try {
      return [[name, caSpecOf(entry)]]
    } catch (error) {
      if (error instanceof PurserError) return []
      throw error
    }
  })
}

function isCaEntry(entry: unknown): entry is CaEntry {
  return typeof entry === "object" && entry !== null && "ca" in entry
}
