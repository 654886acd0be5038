import { z } from "zod"
import { PurserError } from "../../base/errors.ts"
import { checkNames, type CertificateSpec } from "../../ca/certificate-spec.ts"
import { keyTypeNames } from "../../x509/key-families.ts"
import { certificateName } from "../../config/scalars.ts"

/** An entry `{ ca: … }` of `secrets:`: as it is written, and as the source takes it. */

/** A certificate's set. */
export interface CaSpec {
  readonly kind: "ca"
  /** Certificate name. */
  readonly name: string
  /** Undefined: it is issued by hand, or imported. */
  readonly ask: CertificateSpec | undefined
}

export const caEntrySchema = z.strictObject({
  ca: certificateName.describe(
    "a certificate's set: tls.crt, tls.key and ca.crt below the name of this entry",
  ),
  dns: z
    .array(z.string())
    .default([])
    .describe("host names; with any name it is issued and renewed by itself"),
  ip: z.array(z.string()).default([]).describe("addresses"),
  email: z.array(z.string()).default([]).describe("mail addresses"),
  client: z.boolean().default(false).describe("it may prove a client too"),
  days: z.int().min(1).max(3650).optional().describe("how long it is valid; default: ca.days.leaf"),
  key: z.enum(keyTypeNames).optional().describe("default: ca.keys.leaf"),
})

export type CaEntry = z.output<typeof caEntrySchema>

/** Throws `ERR_CA_POLICY` for what is no name. */
export function caSpecOf(entry: CaEntry): CaSpec {
  return { kind: "ca", name: entry.ca, ask: askOf(entry) }
}

/** Undefined without any name. Throws `ERR_CA_POLICY` for what is no name. */
function askOf({ dns, ip, email, client, days, key }: CaEntry): CertificateSpec | undefined {
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

/** The entries `{ ca: … }` of `secrets:`, without those whose names are wrong, which has been reported. */
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
