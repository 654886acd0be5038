import type { X509Certificate } from "node:crypto"
import { join } from "node:path"
import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { CertificateSpec } from "./certificate-spec.ts"
import { Authority } from "./authority/authority.ts"
import { absent } from "./authority/files.ts"
import { issue, renew, signRequest } from "./issuance.ts"
import { lockCa } from "./lock.ts"
import type { CaContext } from "./context.ts"
import { findCertificate, certificatesAndRequests } from "./lookup.ts"
import { addImported, addRequest, removeRequest, waitingRequests } from "./requests.ts"
import { RecordIndex } from "./records/record-index.ts"
import type { CertificateRecord, CertificateRequest, Listed } from "./records/record.ts"
import { RecordFiles } from "./records/records.ts"
import { revoke, signCrls } from "./revocation.ts"
import { watchRecords } from "./records/watch.ts"
import type { CaOptions, IssueOptions, SignOptions } from "./options.ts"

export class Ca implements AsyncDisposable {
  readonly #parts: CaContext

  constructor(options: CaOptions) {
    const { config, passphrase, rootKeyFile, log, now = () => new Date(), step = () => {} } = options
    const directory = join(options.stateDir, "ca")
    const records = new RecordFiles(directory)
    this.#parts = {
      options,
      directory,
      authority: new Authority({ directory, config, passphrase, rootKeyFile, log, now, step }),
      records,
      index: new RecordIndex(directory, records, log),
      now,
      step,
    }
  }

  /** Whether there is a CA of our own: without one, requests and imports work all the same. */
  async exists(): Promise<boolean> {
    return await this.#parts.authority.exists()
  }

  /** Throws `ERR_CA` where there is one, `ERR_PASSPHRASE`. */
  async init(signal: AbortSignal): Promise<{ root: X509Certificate; intermediate: X509Certificate }> {
    return await this.#parts.authority.init(signal)
  }

  /**
   * Needs the root's key. The one before stays in the bundle until it ends, unless the root takes it back (`revoke`).
   * Throws `ERR_CA`, `ERR_PASSPHRASE`.
   */
  async renewIntermediate(
    signal: AbortSignal,
    { revoke: isRevoked = false }: { revoke?: boolean } = {},
  ): Promise<X509Certificate> {
    return await this.#parts.authority.renewIntermediate({ revoke: isRevoked }, signal)
  }

  /** When the intermediate that signs now ends, which nothing that it issues outlives; null where there is no CA. */
  async ends(): Promise<Date | null> {
    return await this.#parts.authority.ends()
  }

  /** Proves that the passphrase opens the intermediate's key, and keeps the key in memory. */
  async unlock(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await this.#parts.authority.signer()
  }

  /** With a key made now. Throws `ERR_NAME`, `ERR_CA`, `ERR_CA_POLICY`, `ERR_CLOCK`, `ERR_PASSPHRASE`. */
  async issue(
    name: string,
    ask: CertificateSpec,
    options: IssueOptions,
    signal: AbortSignal,
  ): Promise<CertificateRecord> {
    return await issue(this.#parts, name, ask, options, signal)
  }

  /**
   * For a key that we never see: its names are taken from the CSR, its other extensions are not. Throws
   * `ERR_CERTIFICATE` and what {@link issue} throws.
   */
  async sign(
    name: string,
    csr: Buffer,
    options: SignOptions,
    signal: AbortSignal,
  ): Promise<CertificateRecord> {
    return await signRequest(this.#parts, name, csr, options, signal)
  }

  /** The same again with a new key. Throws `ERR_CA` for what was not issued here, and what {@link issue} throws. */
  async renew(name: string, signal: AbortSignal): Promise<CertificateRecord> {
    return await renew(this.#parts, name, signal)
  }

  /**
   * By name, the newest; by serial, that one. `reason`: as RFC 5280 section 5.3.1 calls them.
   * Throws `ERR_REVOKED`, `ERR_CA`.
   */
  async revoke(nameOrSerial: string, reason: string, signal: AbortSignal): Promise<CertificateRecord> {
    return await revoke(this.#parts, nameOrSerial, reason, signal)
  }

  /** DER, of the intermediate that signs now. Throws `ERR_CA`, `ERR_PASSPHRASE`, `ERR_CLOCK`. */
  async crl(signal: AbortSignal): Promise<Buffer> {
    const [current] = await this.crls(signal)
    if (current === undefined) throw absent()
    return current
  }

  /**
   * DER: of the intermediate that signs now, then of each before it that has not ended and whose key opens with the
   * same passphrase, then the root's, which names the intermediates that it took back. Programs look for the list of
   * the one that issued, and some for one of every CA above.
   */
  async crls(signal: AbortSignal): Promise<readonly Buffer[]> {
    return await signCrls(this.#parts, signal)
  }

  /** Not `all`: the newest of each name, and what waits. Sorted by name. */
  async list({ all }: { all: boolean }): Promise<readonly Listed[]> {
    return await certificatesAndRequests(this.#parts, { all })
  }

  /** By name: the newest that has not expired, null when that was revoked. By serial: that one, whatever its state. */
  async find(nameOrSerial: string): Promise<CertificateRecord | null> {
    return await findCertificate(this.#parts, nameOrSerial)
  }

  /** PKCS#8 PEM; null when we do not have it. */
  async keyOf({ keyId: id }: Pick<CertificateRecord, "keyId">): Promise<Secret | null> {
    return await this.#parts.options.keys.read(id)
  }

  /** Takes the place of the request with this key, if one waits. The key is in the key store by then if `hasKey`. */
  async addImported(record: CertificateRecord, signal: AbortSignal): Promise<void> {
    await addImported(this.#parts, record, signal)
  }

  /** Keeps the key and the request that another CA is to answer. Throws `ERR_NAME`. */
  async addRequest(request: CertificateRequest, key: Secret, signal: AbortSignal): Promise<void> {
    await addRequest(this.#parts, request, key, signal)
  }

  /** Sorted by name. */
  async requests(): Promise<readonly CertificateRequest[]> {
    return await waitingRequests(this.#parts)
  }

  /** Forgets it and its key. False when there is none. */
  async removeRequest(id: string, signal: AbortSignal): Promise<boolean> {
    return await removeRequest(this.#parts, id, signal)
  }

  /** PEM. Throws `ERR_CA`. */
  async root(): Promise<string> {
    return await this.#parts.authority.rootPem()
  }

  /** PEM: the root, and every intermediate that has not expired. Throws `ERR_CA`. */
  async bundle(): Promise<string> {
    return await this.#parts.authority.bundle()
  }

  /** Builds the index anew from the files. Resolves with the number of records. */
  async reindex(signal: AbortSignal): Promise<number> {
    using _lock = await lockCa(this.#parts.directory, signal)
    return await this.#parts.index.rebuild()
  }

  /** Other processes issue too. The name is undefined where it cannot be told. */
  async watch(onChange: (name: string | undefined) => void, log: Log): Promise<AsyncDisposable> {
    return await watchRecords(this.#parts.records, onChange, log)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.authority.close()
    this.#parts.index[Symbol.dispose]()
  }
}
