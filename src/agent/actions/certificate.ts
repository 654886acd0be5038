import { X509Certificate } from "node:crypto"
import type { AuditLog } from "../../audit/audit-log.ts"
import { PurserError, isPurserError, reasonOf } from "../../base/errors.ts"
import type { Ca } from "../../ca/ca.ts"
import type { CaConfig } from "../../ca/config.ts"
import { namesOf, policyOf, type CertificateGrant } from "../../apps/certificate-config.ts"
import type { Action, ActionContext } from "./action.ts"

/**
 * The action `certificate`: signs a request for a key that never leaves its node, as far as the policy of the node's
 * app and of the CA allow. Nothing of the request but its key and its names goes into the certificate.
 */

export interface CertificateActionOptions {
  ca: Ca
  config: CaConfig
  /** By app. */
  grants: ReadonlyMap<string, CertificateGrant>
  audit: AuditLog
}

/** The limit for one node, which needs one certificate in two thirds of a certificate's life. */
const mostInAnHour = 10
const hourMs = 3_600_000
/** A request with a hundred names for an RSA key of 4096 bits is half as long. */
const maxRequestLength = 16_384

export function certificateActionOf({ ca, config, grants, audit }: CertificateActionOptions): Action {
  const rate = new Rate(mostInAnHour, hourMs)
  return async (request, context) => {
    const grant = grants.get(context.app)
    if (grant === undefined)
      throw new PurserError("ERR_NOT_GRANTED", `${context.app} has no certificate: in its configuration`)
    const csr = requestIn(request)
    const name = `${grant.ca}/${context.node.name}`
    using taken = rate.take(`${context.app} ${context.node.pin}`)
    if (taken === null)
      throw new PurserError("ERR_LIMIT", `more than ${mostInAnHour} certificates for one node within an hour`)
    try {
      const policy = policyOf(grant, config)
      const days = policy.maxDays
      const record = await ca.sign(
        name,
        csr,
        { policy, days, cap: true, client: grant.client },
        context.signal,
      )
      taken.keep()
      const { validToDate } = new X509Certificate(record.certificate)
      await audit.append({
        kind: "signed",
        ...whoIs(context),
        certificate: name,
        serial: record.serial,
        names: namesOf(record.ask),
        until: validToDate.toISOString(),
      })
      return { certificate: [record.certificate, ...record.chain].join(""), ca: await ca.root() }
    } catch (error) {
      throw isForNode(error) ? error : new Error(reasonOf(error), { cause: error })
    }
  }
}

function requestIn({ csr }: Readonly<Record<string, unknown>>): Buffer {
  if (typeof csr !== "string" || csr.length === 0 || csr.length > maxRequestLength) {
    throw new PurserError(
      "ERR_CERTIFICATE",
      `csr is not a certificate request in PEM of ${maxRequestLength} characters at most`,
    )
  }
  return Buffer.from(csr)
}

/** Failures of the agent itself are not shown to the node, because they may name paths. */
function isForNode(error: unknown): boolean {
  return isPurserError(error, "ERR_CERTIFICATE") || isPurserError(error, "ERR_CA_POLICY")
}

function whoIs({ app, node: { name: node, pin, address } }: ActionContext) {
  return { app, node, pin, address }
}

/** Counts per key, for as long as it has to be remembered. */
class Rate {
  readonly #most: number
  readonly #withinMs: number
  readonly #times = new Map<string, number[]>()

  constructor(most: number, withinMs: number) {
    this.#most = most
    this.#withinMs = withinMs
  }

  /** Null when there were too many. Given back at its end unless it was kept. */
  take(key: string): (Disposable & { keep: () => void }) | null {
    const now = performance.now()
    for (const [of, times] of this.#times) {
      const left = times.filter((time) => now - time < this.#withinMs)
      if (left.length === 0) this.#times.delete(of)
      else this.#times.set(of, left)
    }
    const times = this.#times.get(key) ?? []
    if (times.length >= this.#most) return null
    this.#times.set(key, [...times, now])
    let isKept = false
    return {
      keep: () => {
        isKept = true
      },
      [Symbol.dispose]: () => {
        if (isKept) return
        const all = this.#times.get(key) ?? []
        const index = all.indexOf(now)
        if (index !== -1) this.#times.set(key, all.toSpliced(index, 1))
      },
    }
  }
}
