import { createPublicKey, type KeyObject } from "node:crypto"
import { pem } from "../x509/der.ts"
import { anyOf, keyTypeNames } from "../x509/key-families.ts"
import { PurserError } from "../base/errors.ts"
import { Secret } from "../base/secret.ts"
import { checkNames, type CertificateSpec } from "./certificate-spec.ts"
import { newSerial, signCertificate, validity } from "./certificate.ts"
import type { Policy } from "./config.ts"
import { checkConstraints, readConstraints } from "./constraints.ts"
import { readRequest } from "./csr.ts"
import { generateKey, keyId } from "./keys.ts"
import type { Signer } from "./authority/make.ts"
import { checkName, updateIndex, laterThan, lockSigner, noSuch, recordOf, type CaContext } from "./context.ts"
import { checkPolicy } from "./policy.ts"
import { certificateRow } from "./records/record-index.ts"
import type { CertificateRecord } from "./records/record.ts"
import type { IssueOptions, SignOptions } from "./options.ts"

/**
 * Issues, signs and renews certificates of our own CA: checks the names, stores the key, then writes the record. The
 * certificate counts as issued once its record is written; a crash before that leaves at most an unused key.
 */

interface Wanted {
  readonly name: string
  readonly ask: CertificateSpec
  readonly publicKey: KeyObject
  readonly cap: boolean
  readonly instead?: IssueOptions["instead"]
  /** Null for a request whose key is elsewhere. */
  readonly privateKey: KeyObject | null
}

/** See {@link Ca.issue}. */
export async function issue(
  context: CaContext,
  name: string,
  asked: CertificateSpec,
  { cap = false, instead }: IssueOptions,
  signal: AbortSignal,
): Promise<CertificateRecord> {
  const { config } = context.options
  checkName(name)
  const ask = checkNames(asked)
  const keyType = ask.key ?? config.keys.leaf
  checkPolicy({ ...ask, days: ask.days ?? config.days.leaf }, keyType, config.policy, "the CA")
  const signer = await context.authority.signer()
  await checkNameConstraints(context, signer, ask)
  // Checked before the key is made, because that may take long.
  validity(context.now(), ask.days ?? config.days.leaf, signer.certificate, { cap })
  const privateKey = await generateKey(keyType)
  const publicKey = createPublicKey(privateKey)
  return await add(context, { name, ask, cap, instead, privateKey, publicKey }, signal)
}

/** See {@link Ca.sign}. */
export async function signRequest(
  context: CaContext,
  name: string,
  csr: Buffer,
  { policy, days, cap = false, client = false }: SignOptions,
  signal: AbortSignal,
): Promise<CertificateRecord> {
  const { config } = context.options
  checkName(name)
  const { dns, ip, email, otherNames, publicKey, keyType } = await readRequest(csr)
  if (otherNames.length > 0) {
    throw new PurserError(
      "ERR_CA_POLICY",
      `the request asks for unsupported kinds of names: ${otherNames.join(", ")}`,
      {
        hint: "use host names, addresses and mail addresses only",
      },
    )
  }
  if (keyType === null) {
    throw new PurserError("ERR_CERTIFICATE", "the type of the request's key is not supported", {
      hint: `use ${anyOf(keyTypeNames)}`,
    })
  }
  const ask = checkNames({ dns, ip, email, client, ...(days === undefined ? {} : { days }) })
  const complete = { ...ask, days: days ?? config.days.leaf }
  const policies: [string, Policy][] = [["the CA", config.policy]]
  if (policy !== undefined) policies.unshift([name, policy])
  for (const [what, one] of policies) checkPolicy(complete, keyType, one, what)
  await checkNameConstraints(context, await context.authority.signer(), ask)
  return await add(context, { name, ask, cap, privateKey: null, publicKey }, signal)
}

/** See {@link Ca.renew}. */
export async function renew(
  context: CaContext,
  name: string,
  signal: AbortSignal,
): Promise<CertificateRecord> {
  const index = await context.index.forReading()
  const [row] = index?.named(name) ?? []
  if (row === undefined) {
    if (index?.requests().some((request) => request.name === name) !== true) throw noSuch(name)
    throw new PurserError("ERR_WAITING", `the request for ${name} has not been answered yet`, {
      hint: "import the certificate with purser ca import FILE",
    })
  }
  if (row.origin === "issued") {
    const { ask } = await recordOf(context, row)
    return await issue(context, name, ask, {}, signal)
  }
  if (row.origin === "signed") {
    throw new PurserError("ERR_CA", `${name} was signed for a key that is kept elsewhere`, {
      hint: `make a new request where the key is, then: purser ca sign FILE --name ${name}`,
    })
  }
  throw new PurserError("ERR_CA", `${name} was issued by another CA, which has to renew it`, {
    hint: `make a request for it: purser ca request ${name}`,
  })
}

async function add(context: CaContext, wanted: Wanted, signal: AbortSignal): Promise<CertificateRecord> {
  const { name, ask, publicKey, privateKey, cap } = wanted
  const { options, now, records, step } = context
  const { config, keys } = options
  const { signer, lock } = await lockSigner(context, signal)
  using _lock = lock
  const found = await wanted.instead?.()
  if (found) return found
  const index = await context.index.forChange()
  const time = now()
  const serial = newSerial()
  const id = keyId(publicKey)
  const certificate = signCertificate(
    {
      kind: "leaf",
      subject: ask.commonName ?? "",
      publicKey,
      serial,
      ...validity(time, ask.days ?? config.days.leaf, signer.certificate, { cap }),
      ask,
      ...(config.crlUrl === undefined ? {} : { crlUrl: config.crlUrl }),
    },
    { certificate: signer.certificate.raw, key: signer.key },
  )
  const record: CertificateRecord = {
    version: 1,
    name,
    serial: serial.toString("hex"),
    certificate: pem("CERTIFICATE", certificate),
    chain: [signer.pem],
    root: null,
    keyId: id,
    hasKey: privateKey !== null,
    ask,
    origin: privateKey === null ? "signed" : "issued",
    at: laterThan(index, name, time).toISOString(),
  }
  try {
    if (privateKey !== null) {
      const text = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
      await keys.set(id, new Secret(text), signal)
      step("key")
    }
    signal.throwIfAborted()
    await records.addRecord(record)
  } catch (error) {
    // The key is useless without its certificate. If it cannot be removed now, it stays in the key store, encrypted.
    if (privateKey !== null) await keys.remove(id, AbortSignal.timeout(5000)).catch(() => false)
    throw error
  }
  step("record")
  updateIndex(context, index, () => index.addCertificate(certificateRow(record)))
  return record
}

/** Checks the constraints of the root, and of an intermediate that has its own. Throws `ERR_CA_POLICY`, `ERR_CA`. */
async function checkNameConstraints(
  { authority }: CaContext,
  signer: Signer,
  ask: CertificateSpec,
): Promise<void> {
  for (const certificate of [await authority.root(), signer.certificate]) {
    const constraints = await readConstraints(certificate)
    if (constraints !== null) checkConstraints(ask, constraints)
  }
}
