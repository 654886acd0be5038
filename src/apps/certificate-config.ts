import { z } from "zod"
import { isSecretName } from "../base/names.ts"
import type { CertificateSpec } from "../ca/certificate-spec.ts"
import { namesSchema, type CaConfig, type Policy } from "../ca/config.ts"

/** The slice of `purser.yaml` under `certificate:` of an app: what its nodes may have certificates for. */

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
