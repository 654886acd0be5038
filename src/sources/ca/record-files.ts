import { PurserError } from "../../base/errors.ts"
import type { Secret } from "../../base/secret.ts"
import type { Ca } from "../../ca/ca.ts"
import { certificateFiles } from "../../ca/certificate-files.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"

/** Returns the secrets of a certificate, keyed by their names below the entry. Throws `ERR_CA` if its key is lost. */
export async function filesOfRecord(ca: Ca, record: CertificateRecord): Promise<ReadonlyMap<string, Secret>> {
  const key = record.hasKey ? await ca.keyOf(record) : null
  if (record.hasKey && key === null) {
    throw new PurserError("ERR_CA", `the key of the certificate ${record.name} is missing`, {
      hint: `restore ca/keys from a backup, or issue a new certificate: purser ca renew ${record.name}`,
    })
  }
  return certificateFiles(record, key, record.root ?? (await ca.root()))
}

/** Throws `ERR_WAITING` while a request of this name waits for its CA, which explains a missing certificate. */
export async function refuseWaiting(ca: Ca, name: string): Promise<void> {
  const request = (await ca.requests()).find((one) => one.name === name)
  if (request === undefined) return
  throw new PurserError("ERR_WAITING", `the certificate ${name} has waited for its CA since ${request.at}`, {
    hint: "send the request to the CA, then import its answer: purser ca import FILE",
  })
}
