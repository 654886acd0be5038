import { PurserError } from "../base/errors.ts"

/** Tells what is in a file: certificates, requests and revocation lists, in PEM, DER or PKCS#7. */

export interface Described {
  readonly items: readonly DescribedItem[]
}

export interface DescribedItem {
  readonly type: "certificate" | "request" | "crl" | "key" | "other"
}

export async function describe(_bytes: Buffer): Promise<Described> {
  throw new PurserError("ERR_INTERNAL", "not yet")
}
