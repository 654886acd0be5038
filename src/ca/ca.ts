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

/**
 * The CA of a state directory, as the commands and the agent use it: issues, signs, revokes, lists and stores
 * certificates and requests. It only puts the parts together; each operation is in a file of its
 * own, and no passphrase is read here.
 */
export class Ca implements AsyncDisposable {
  readonly #context: CaContext

  constructor(options: CaOptions) {
    const { config, passphrase, rootKeyFile, log, now = () => new Date(), step = () => {} } = options
    const directory = join(options.stateDir, "ca")
    const records = new RecordFiles(directory)
    this.#context = {
      options,
      directory,
      authority: new Authority({ directory, config, passphrase, rootKeyFile, log, now, step }),
      records,
      index: new RecordIndex(directory, records, log),
      now,
      step,
    }
  }

  /** Whether this state directory has a CA of its own. Requests and imports work without one. */
  async exists(): Promise<boolean> {
    return await this.#context.authority.exists()
  }

  /** Makes the root and the first intermediate. Throws `ERR_CA` if the CA exists already, and `ERR_PASSPHRASE`. */
  async init(signal: AbortSignal): Promise<{ root: X509Certificate; intermediate: X509Certificate }> {
    return await this.#context.authority.init(signal)
  }

  /**
   * Makes a new intermediate, which needs the root's key. The previous one stays in the bundle until it expires, unless
   * the root revokes it (`revoke`). Throws `ERR_CA`, `ERR_PASSPHRASE`.
   */
  async renewIntermediate(
    signal: AbortSignal,
    { revoke: isRevoked = false }: { revoke?: boolean } = {},
  ): Promise<X509Certificate> {
    return await this.#context.authority.renewIntermediate({ revoke: isRevoked }, signal)
  }

  /** Expiry of the current intermediate, and so of every certificate that it can issue; null without a CA. */
  async ends(): Promise<Date | null> {
    return await this.#context.authority.ends()
  }

  /** Opens the intermediate's key and keeps it in memory. Throws `ERR_CA`, `ERR_PASSPHRASE`, `ERR_CLOCK`. */
  async unlock(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await this.#context.authority.signer()
  }

  /**
   * Makes a key and issues a certificate for it. Throws `ERR_NAME`, `ERR_CA`, `ERR_CA_POLICY`, `ERR_CLOCK`,
   * `ERR_PASSPHRASE`.
   */
  async issue(
    name: string,
    ask: CertificateSpec,
    options: IssueOptions,
    signal: AbortSignal,
  ): Promise<CertificateRecord> {
    return await issue(this.#context, name, ask, options, signal)
  }

  /**
   * Signs a CSR (PEM or DER), so the private key stays elsewhere. The names are taken from the CSR, its subject and
   * other extensions are not. Throws `ERR_CERTIFICATE` and the errors of {@link issue}.
   */
  async sign(
    name: string,
    csr: Buffer,
    options: SignOptions,
    signal: AbortSignal,
  ): Promise<CertificateRecord> {
    return await signRequest(this.#context, name, csr, options, signal)
  }

  /**
   * Issues the newest certificate of this name again, with a new key. Throws `ERR_CA` if it was not issued here,
   * `ERR_WAITING` if only a request is pending, and the errors of {@link issue}.
   */
  async renew(name: string, signal: AbortSignal): Promise<CertificateRecord> {
    return await renew(this.#context, name, signal)
  }

  /**
   * Revokes the newest certificate of a name, or the one with a serial number. `reason`: a CRLReason (RFC 5280 section
   * 5.3.1). Throws `ERR_USAGE` for an unknown reason, `ERR_REVOKED`, `ERR_CA`.
   */
  async revoke(nameOrSerial: string, reason: string, signal: AbortSignal): Promise<CertificateRecord> {
    return await revoke(this.#context, nameOrSerial, reason, signal)
  }

  /** Signs the CRL of the current intermediate; DER. Throws `ERR_CA`, `ERR_PASSPHRASE`, `ERR_CLOCK`. */
  async crl(signal: AbortSignal): Promise<Buffer> {
    const [current] = await this.crls(signal)
    if (current === undefined) throw absent()
    return current
  }

  /**
   * CRLs in DER: that of the current intermediate, then those of previous intermediates that have not expired and whose
   * key opens with the same passphrase, then that of the root, which lists the revoked intermediates. Verifiers look for
   * the CRL of a certificate's issuer, and some for one of every CA above it.
   */
  async crls(signal: AbortSignal): Promise<readonly Buffer[]> {
    return await signCrls(this.#context, signal)
  }

  /** Certificates and pending requests, sorted by name. Without `all`, only the newest certificate of each name. */
  async list({ all }: { all: boolean }): Promise<readonly Listed[]> {
    return await certificatesAndRequests(this.#context, { all })
  }

  /**
   * Finds a certificate. By name: the newest that has not expired, or null if that one is revoked. By serial number:
   * that certificate in any state. Throws `ERR_CA`.
   */
  async find(nameOrSerial: string): Promise<CertificateRecord | null> {
    return await findCertificate(this.#context, nameOrSerial)
  }

  /** The private key, PKCS#8 PEM; null if it is not in the key store. */
  async keyOf({ keyId: id }: Pick<CertificateRecord, "keyId">): Promise<Secret | null> {
    return await this.#context.options.keys.read(id)
  }

  /**
   * Adds the certificate of another CA and removes the pending request for its key, if there is one. With `hasKey`, the
   * key must be in the key store already. Throws `ERR_NAME`, `ERR_CA`.
   */
  async addImported(record: CertificateRecord, signal: AbortSignal): Promise<void> {
    await addImported(this.#context, record, signal)
  }

  /** Stores a request for another CA and its key. Throws `ERR_NAME`, `ERR_CA`. */
  async addRequest(request: CertificateRequest, key: Secret, signal: AbortSignal): Promise<void> {
    await addRequest(this.#context, request, key, signal)
  }

  /** The pending requests, sorted by name. */
  async requests(): Promise<readonly CertificateRequest[]> {
    return await waitingRequests(this.#context)
  }

  /** Deletes a pending request and its key. False if there is no such request. */
  async removeRequest(id: string, signal: AbortSignal): Promise<boolean> {
    return await removeRequest(this.#context, id, signal)
  }

  /** The root's certificate, PEM. Throws `ERR_CA`. */
  async root(): Promise<string> {
    return await this.#context.authority.rootPem()
  }

  /** PEM: the root, and every intermediate that is neither expired nor revoked. Throws `ERR_CA`. */
  async bundle(): Promise<string> {
    return await this.#context.authority.bundle()
  }

  /** Rebuilds the index from the records. Resolves with the number of certificates. */
  async reindex(signal: AbortSignal): Promise<number> {
    using _lock = await lockCa(this.#context.directory, signal)
    return await this.#context.index.rebuild()
  }

  /** Reports changes by any process. The name is undefined if the changed record is gone or unreadable. */
  async watch(onChange: (name: string | undefined) => void, log: Log): Promise<AsyncDisposable> {
    return await watchRecords(this.#context.records, onChange, log)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#context.authority.close()
    this.#context.index[Symbol.dispose]()
  }
}
