import { createHash, X509Certificate } from "node:crypto"
import { join } from "node:path"
import { z } from "zod"
import { PurserError } from "../../base/errors.ts"
import { isSecretName, quote } from "../../base/names.ts"
import { keyTypeNames } from "../../x509/key-families.ts"
import { namesIn, readText, removeFile, removeTemporaries, writeText } from "../files.ts"
import type { CertificateRecord, CertificateRequest } from "./record.ts"

/**
 * Reads and writes the records of the CA: `issued/ID.json`, `revoked/SERIAL.json`, `requests/ID.json`. A record is
 * written once and never changed, so that comparing file names is enough to check the index. Callers take the lock.
 */

export interface Revocation {
  readonly serial: string
  readonly at: Date
  /** RFC 5280 section 5.3.1. */
  readonly reason: string
}

const name = z.string().refine(isSecretName)
const time = z.iso.datetime()
const hex = z.string().regex(/^[0-9a-f]+$/)
const askSchema = z.object({
  dns: z.array(z.string()),
  ip: z.array(z.string()),
  email: z.array(z.string()),
  client: z.boolean(),
  days: z.number().optional(),
  key: z.enum(keyTypeNames).optional(),
  commonName: z.string().optional(),
})
const recordSchema = z.object({
  version: z.literal(1),
  name,
  serial: hex,
  certificate: z.string(),
  chain: z.array(z.string()),
  root: z.string().nullable(),
  keyId: hex,
  hasKey: z.boolean(),
  ask: askSchema,
  origin: z.enum(["issued", "signed", "imported"]),
  at: time,
})
const requestSchema = z.object({
  version: z.literal(1),
  id: hex,
  name,
  csr: z.string(),
  ask: askSchema,
  at: time,
})
const revocationSchema = z.object({ at: time, reason: z.string() })

export type Kind = "issued" | "revoked" | "requests"

const idPatterns: Record<Kind, RegExp> = {
  issued: /^[0-9a-f]{1,64}(?:\.[0-9a-f]{16})?$/,
  revoked: /^[0-9a-f]{1,64}$/,
  requests: /^[0-9a-f]{32}$/,
}

export class RecordFiles {
  readonly #directory: string

  /** `directory`: `ca/` of the state directory. */
  constructor(directory: string) {
    this.#directory = directory
  }

  directoryOf(kind: Kind): string {
    return join(this.#directory, kind)
  }

  /** The ids of all records, unordered. Throws `ERR_CA` for a `.json` file that Purser did not write. */
  async ids(kind: Kind): Promise<string[]> {
    const names = (await namesIn(this.directoryOf(kind))).filter((file) => file.endsWith(".json"))
    return names.map((file) => {
      const id = file.slice(0, -".json".length)
      if (idPatterns[kind].test(id)) return id
      throw new PurserError(
        "ERR_CA",
        `${quote(join(this.directoryOf(kind), file))} is not a file of Purser`,
        {
          hint: "move it out of this directory",
        },
      )
    })
  }

  /** Reads a certificate's record; null if there is none. Throws `ERR_CA` naming the file if it is damaged. */
  async record(id: string): Promise<CertificateRecord | null> {
    const value = await this.#read("issued", id, recordSchema)
    if (value === null) return null
    const record = { ...value, ask: exact(value.ask) }
    // A file under the id of another certificate would be found and revoked instead of that certificate.
    if (recordId(record) !== id) throw this.#damaged("issued", id, "it holds another certificate")
    certificateOf(record, () => this.#damaged("issued", id, "its certificate cannot be read"))
    return record
  }

  async request(id: string): Promise<CertificateRequest | null> {
    const value = await this.#read("requests", id, requestSchema)
    if (value === null) return null
    if (value.id !== id) throw this.#damaged("requests", id, "it holds another request")
    return { ...value, ask: exact(value.ask) }
  }

  async revocation(serial: string): Promise<Revocation | null> {
    const value = await this.#read("revoked", serial, revocationSchema)
    return value === null ? null : { serial, at: new Date(value.at), reason: value.reason }
  }

  async addRecord(record: CertificateRecord): Promise<string> {
    const id = recordId(record)
    await this.#write("issued", id, record)
    return id
  }

  async addRequest(request: CertificateRequest): Promise<void> {
    await this.#write("requests", request.id, request)
  }

  async addRevocation({ serial, at, reason }: Revocation): Promise<void> {
    await this.#write("revoked", serial, { at: at.toISOString(), reason })
  }

  async removeRequest(id: string): Promise<boolean> {
    return await removeFile(this.#file("requests", id))
  }

  /** Removes the temporary files of killed processes. The caller holds the lock. */
  async tidy(): Promise<void> {
    for (const kind of ["issued", "revoked", "requests"] as const)
      await removeTemporaries(this.directoryOf(kind))
  }

  async #read<T>(kind: Kind, id: string, schema: z.ZodType<T>): Promise<T | null> {
    const text = await readText(this.#file(kind, id))
    if (text === null) return null
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      throw this.#damaged(kind, id, "it is not JSON")
    }
    const parsed = schema.safeParse(json)
    if (parsed.success) return parsed.data
    const { path = [] } = parsed.error.issues[0] ?? {}
    throw this.#damaged(kind, id, path.length === 0 ? "it is not an object" : `${path.join(".")} is invalid`)
  }

  async #write(kind: Kind, id: string, value: object): Promise<void> {
    await writeText(this.#file(kind, id), `${JSON.stringify(value, null, 2)}\n`)
  }

  #file(kind: Kind, id: string): string {
    return join(this.directoryOf(kind), `${id}.json`)
  }

  #damaged(kind: Kind, id: string, why: string): PurserError {
    return new PurserError("ERR_CA", `${this.#file(kind, id)} is damaged: ${why}`, {
      hint: "restore it from a backup, or move it out of the directory to go on without it",
    })
  }
}

/**
 * The id of a record. For our certificates it is the serial number. Imported ones get a digest too, because two CAs may
 * use the same serial number, and a certificate may be imported again with a longer chain.
 */
export function recordId(record: CertificateRecord): string {
  if (record.origin !== "imported") return record.serial
  const parts = [record.name, record.certificate, ...record.chain, record.root]
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex")
  return `${record.serial.slice(0, 64)}.${hash.slice(0, 16)}`
}

/** Parses the record's certificate. Throws the error that `damaged` returns. */
export function certificateOf(record: CertificateRecord, damaged: () => PurserError): X509Certificate {
  try {
    return new X509Certificate(record.certificate)
  } catch {
    throw damaged()
  }
}

/** Removes keys that hold undefined, which zod's optional keys may do and `CertificateSpec` may not. */
function exact(ask: z.output<typeof askSchema>): CertificateRecord["ask"] {
  const { days, key, commonName, ...rest } = ask
  return {
    ...rest,
    ...(days === undefined ? {} : { days }),
    ...(key === undefined ? {} : { key }),
    ...(commonName === undefined ? {} : { commonName }),
  }
}
