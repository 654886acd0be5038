import { Secret } from "../base/secret.ts"
import type { CertificateRecord } from "./record.ts"

export type SetName = "tls.crt" | "tls.key" | "ca.crt"

/** What a service is given: leaf and intermediates, the key where it is here, and the root. PEM all. */
export function setOf(
  record: CertificateRecord,
  key: Secret | null,
  rootPem: string,
): ReadonlyMap<SetName, Secret> {
  const set = new Map<SetName, Secret>([
    ["tls.crt", new Secret([record.certificate, ...record.chain].map(line).join(""))],
    ["ca.crt", new Secret(line(rootPem))],
  ])
  if (key !== null) set.set("tls.key", key)
  return set
}

function line(pem: string): string {
  return pem.endsWith("\n") ? pem : `${pem}\n`
}
