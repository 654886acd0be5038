import { z } from "zod"
import { PurserError } from "../base/errors.ts"
import { isSecretName } from "../base/names.ts"
import type { CertificateSpec } from "../ca/certificate-spec.ts"
import { namesSchema, type CaConfig, type Policy } from "../ca/config.ts"
import { checkPolicy } from "../ca/policy.ts"
import { certificatesIn } from "../sources/ca/spec.ts"

/** What the configuration says of certificates outside of `ca:`, and what it must have there for that. */

/** What the nodes of an app may have certificates for, by the action `certificate`. */
export interface CertificateGrant {
  /** What is signed is called `ca/NODE`. */
  readonly ca: string
  /** Rules, as in the CA's own policy; here an empty list allows none. */
  readonly dns: readonly string[]
  readonly ip: readonly string[]
  readonly email: readonly string[]
  readonly client: boolean
  readonly days: number
}

/** The action that the agent has of its own, for apps with `certificate:`. */
export const certificateAction = "certificate"

// A node's name of up to 63 characters comes behind it.
const maxNameLength = 190

export const certificateSchema = z
  .strictObject({
    ca: z
      .string()
      .refine((name) => isSecretName(`${name}/x`) && name.length <= maxNameLength, {
        error: "not a name for certificates",
      })
      .describe("what is signed is called by this and the node's name: CA/NODE"),
    ...namesSchema,
    client: z.boolean().default(false).describe("they may prove a client too"),
    days: z.int().min(1).max(3650).optional().describe("how long they are valid; default: ca.days.leaf"),
  })
  .describe(
    "what its nodes get certificates for, by the action certificate; names that are not listed are refused",
  )

export function resolveCertificate(
  given: z.output<typeof certificateSchema> | undefined,
  config: CaConfig,
): CertificateGrant | undefined {
  if (given === undefined) return undefined
  const { ca, dns = [], ip = [], email = [], client, days = config.days.leaf } = given
  return { ca, dns, ip, email, client, days }
}

/** As the CA takes it. */
export function policyOf({ dns, ip, email, client, days }: CertificateGrant, config: CaConfig): Policy {
  return { dns, ip, email, client, maxDays: days, keys: config.policy.keys }
}

/** In one line of the audit log. */
export function namesOf({ dns, ip, email }: CertificateSpec): string {
  return [...dns, ...ip, ...email].join(" ")
}

interface Given {
  readonly secrets: Readonly<Record<string, unknown>>
  readonly apps: Readonly<
    Record<
      string,
      {
        readonly actions: readonly string[]
        readonly certificate?: z.output<typeof certificateSchema> | undefined
      }
    >
  >
}

/** `ownActions`: what a program offers besides; undefined where that is not known. Reports what cannot work. */
export function checkCertificates(
  config: Given,
  { ca, ownActions }: { ca: CaConfig; ownActions: readonly string[] | undefined },
  context: z.RefinementCtx,
): void {
  const report = (path: (string | number)[], message: string, hint: string, atKey = false): void =>
    context.addIssue({ code: "custom", path, message, params: { hint, atKey } })
  const passphraseHint =
    "add passphrase_file: to ca:; the agent opens the intermediate's key with what it holds"
  for (const [entry, spec] of certificatesIn(config.secrets)) {
    if (spec.ask === undefined) continue
    const { days = ca.days.leaf, key = ca.keys.leaf } = spec.ask
    if (ca.passphraseFile === undefined)
      report(
        ["secrets", entry],
        "an agent that issues by itself needs ca.passphrase_file",
        passphraseHint,
        true,
      )
    try {
      checkPolicy({ ...spec.ask, days }, key, ca.policy, "the CA")
    } catch (error) {
      if (!(error instanceof PurserError)) throw error
      report(["secrets", entry], error.message, error.hint ?? "")
    }
  }
  for (const [app, { actions, certificate }] of Object.entries(config.apps)) {
    const isOwn = ownActions?.includes(certificateAction) === true
    const isAsked = actions.includes(certificateAction)
    if (certificate === undefined) {
      if (isAsked && ownActions !== undefined && !isOwn) {
        const hint =
          "add certificate: { ca: NAME, dns: […] } to the app: what its nodes may have certificates for"
        report(["apps", app, "actions"], "the action certificate needs certificate: beside it", hint, true)
      }
      continue
    }
    const path = ["apps", app, "certificate"]
    if (isOwn) {
      const hint = "leave it out, or do not give createAgent that action"
      report(path, "has no meaning where the program has an action certificate of its own", hint, true)
    }
    if (!isAsked) report(path, "needs the action beside it", "add actions: [certificate] to the app", true)
    if (ca.passphraseFile === undefined)
      report(path, "an agent that signs by itself needs ca.passphrase_file", passphraseHint, true)
    if ((certificate.days ?? 0) > ca.policy.maxDays)
      report(
        [...path, "days"],
        `is more than ca.policy.max_days (${ca.policy.maxDays})`,
        "change one of them",
      )
    if (certificate.client && !ca.policy.client)
      report([...path, "client"], "is not allowed by ca.policy.client", "change one of them")
  }
}
