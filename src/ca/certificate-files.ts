import { Secret } from "../base/secret.ts"
import type { CertificateRecord } from "./records/record.ts"

export const certificateFileNames = ["tls.crt", "tls.key", "ca.crt"] as const

export type CertificateFileName = (typeof certificateFileNames)[number]

/** The files of a service, all PEM: the leaf with its intermediates, the root, and the key unless it is null. */
export function certificateFiles(
  record: CertificateRecord,
  key: Secret | null,
  rootPem: string,
): ReadonlyMap<CertificateFileName, Secret> {
  const set = new Map<CertificateFileName, Secret>([
    ["tls.crt", new Secret([record.certificate, ...record.chain].map(line).join(""))],
    ["ca.crt", new Secret(line(rootPem))],
  ])
  if (key !== null) set.set("tls.key", key)
  return set
}

function line(pem: string): string {
  return pem.endsWith("\n") ? pem : `${pem}\n`
}
