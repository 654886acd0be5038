import type { X509Certificate } from "node:crypto"
import { pem } from "../x509/der.ts"
import { PurserError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { quote } from "../base/names.ts"
import type { CertificateSpec } from "./certificate-spec.ts"
import type { Ca } from "./ca.ts"
import { subjectName, orderChain } from "./chain.ts"
import { keyId } from "./keys.ts"
import { readCertificates } from "./pem.ts"
import type { CertificateRecord } from "./records/record.ts"

/**
 * Imports certificates that another CA issued for requests made here. A certificate is matched to its request by key,
 * not by name, because the other CA may change names.
 */

export interface ImportOptions {
  /** Roots of the other CA that are not in the files. */
  readonly roots?: readonly X509Certificate[]
  readonly log: Log
  readonly now?: Date
}

interface Owner {
  readonly name: string
  readonly ask: CertificateSpec
}

/**
 * Imports each certificate of the files whose key is in the key store; the others serve as its chain. All chains are
 * checked before the first certificate is imported. Throws `ERR_CERTIFICATE`.
 */
export async function importCertificates(
  ca: Ca,
  files: readonly { readonly name: string; readonly bytes: Buffer }[],
  { roots = [], log, now = new Date() }: ImportOptions,
  signal: AbortSignal,
): Promise<readonly CertificateRecord[]> {
  const all: X509Certificate[] = []
  for (const { name, bytes } of files) all.push(...(await readCertificates(bytes, name)))
  const owners = await ownersOf(ca)
  const ours = all.filter((one) => owners.has(idOf(one)))
  if (ours.length === 0) throw await matchesNone(ca, all)
  const known = await knownIssuers(ca)
  const records: CertificateRecord[] = []
  for (const leaf of ours) {
    const { name, ask } = owners.get(keyId(leaf.publicKey)) ?? { name: "", ask: undefined }
    if (ask === undefined) continue
    const others = all.filter((one) => one !== leaf)
    // Issuers from earlier imports fill gaps. Only the needed ones are added, because an unused CA certificate counts as
    // evidence of a gap.
    const filled = [...others, ...neededOf(known, [leaf, ...others])]
    const { intermediates, root, missing } = await orderChain(leaf, filled, { now, roots })
    const top = root ?? intermediates.at(-1) ?? leaf
    if (missing !== null) {
      log.warn(`${name}: the certificate of ${missing} is missing, so ca.crt holds ${subjectName(top)}`, {
        hint: "import again with --root FILE, or with the certificate of the issuer",
      })
    }
    warnOfNames(name, leaf, ask, log)
    records.push({
      version: 1,
      name,
      serial: leaf.serialNumber.toLowerCase(),
      certificate: pem("CERTIFICATE", leaf.raw),
      chain: intermediates.map(({ raw }) => pem("CERTIFICATE", raw)),
      root: pem("CERTIFICATE", top.raw),
      keyId: keyId(leaf.publicKey),
      hasKey: true,
      ask,
      origin: "imported",
      at: now.toISOString(),
    })
  }
  for (const record of records) await ca.addImported(record, signal)
  return records
}

/** The key's id; empty for a key of an unknown kind, which cannot be one of ours. */
function idOf(certificate: X509Certificate): string {
  try {
    return keyId(certificate.publicKey)
  } catch {
    return ""
  }
}

/** Pending requests and imported certificates, by the id of their key. */
async function ownersOf(ca: Ca): Promise<ReadonlyMap<string, Owner>> {
  const owners = new Map<string, Owner>()
  for (const { serial, origin } of await ca.list({ all: true })) {
    if (serial === null || origin !== "imported") continue
    const record = await ca.find(serial)
    if (record !== null) owners.set(record.keyId, record)
  }
  for (const request of await ca.requests()) owners.set(request.id, request)
  return owners
}

/** Issuers that came with earlier imports. */
async function knownIssuers(ca: Ca): Promise<readonly X509Certificate[]> {
  const found: X509Certificate[] = []
  for (const { serial, origin } of await ca.list({ all: true })) {
    const record = serial === null || origin !== "imported" ? null : await ca.find(serial)
    if (record === null) continue
    const text = [...record.chain, ...(record.root === record.certificate ? [] : [record.root ?? ""])].join(
      "",
    )
    if (text !== "") found.push(...(await readCertificates(Buffer.from(text))))
  }
  return found
}

/** The certificates of `known` that issued one of `all`, and their issuers in turn. */
function neededOf(
  known: readonly X509Certificate[],
  all: readonly X509Certificate[],
): readonly X509Certificate[] {
  const needed = known.filter((issuer) =>
    all.some((one) => one !== issuer && one.checkIssued(issuer) && one.verify(issuer.publicKey)),
  )
  const rest = known.filter((one) => !needed.includes(one))
  return needed.length === 0 ? [] : [...needed, ...neededOf(rest, needed)]
}

async function matchesNone(ca: Ca, all: readonly X509Certificate[]): Promise<PurserError> {
  const waiting = (await ca.requests()).map(({ name }) => name)
  const [first] = all.filter((one) => !one.ca)
  const what = first === undefined ? "none of these certificates is" : `${subjectName(first)} is not`
  return new PurserError("ERR_CERTIFICATE", `${what} for a key in the key store`, {
    hint:
      waiting.length === 0
        ? "no request is pending: purser ca request NAME makes a key and a request"
        : `pending requests: ${waiting.join(", ")}`,
  })
}

/** Warns of requested names that the other CA left out. */
function warnOfNames(
  name: string,
  leaf: X509Certificate,
  { dns, ip, email }: CertificateSpec,
  log: Log,
): void {
  const names = new Set(leaf.subjectAltName?.split(", "))
  const lacking = [
    ...dns.filter((one) => !names.has(`DNS:${one}`)),
    ...ip.filter((one) => leaf.checkIP(one) === undefined),
    ...email.filter((one) => !names.has(`email:${one}`)),
  ]
  if (lacking.length > 0)
    log.warn(`${name}: the certificate lacks the requested names ${lacking.map(quote).join(", ")}`)
}
