import { z } from "zod"
import { isSecretName } from "../base/names.ts"
import type { CertificateSpec } from "../ca/certificate-spec.ts"
import { namesSchema, type CaConfig, type Policy } from "../ca/config.ts"

/** The slice of `purser.yaml` under `certificate:` of an app: the certificates that its nodes may get. */

/** The certificates that an app's nodes may get by the action `certificate`. */
export interface CertificateGrant {
  /** The prefix of the certificates' names: `ca/NODE`. */
  readonly ca: string
  /** Rules as in the CA's own policy, but here an empty list allows none. */
  readonly dns: readonly string[]
  readonly ip: readonly string[]
  readonly email: readonly string[]
  readonly client: boolean
  readonly days: number
}

/** The agent's built-in action for apps with `certificate:`. */
export const certificateAction = "certificate"

// Leaves room for a node's name of up to 63 characters.
const maxNameLength = 190

export const certificateSchema = z
  .strictObject({
    ca: z
      .string()
      .refine((name) => isSecretName(`${name}/x`) && name.length <= maxNameLength, {
        error: "not a name for certificates",
      })
      .describe("prefix of the certificates' names: CA/NODE"),
    ...namesSchema,
    client: z.boolean().default(false).describe("also valid for clients"),
    days: z.int().min(1).max(3650).optional().describe("how long they are valid; default: ca.days.leaf"),
  })
  .describe("the certificates that its nodes may get by the action certificate; other names are refused")

export function resolveCertificate(
  given: z.output<typeof certificateSchema> | undefined,
  config: CaConfig,
): CertificateGrant | undefined {
  if (given === undefined) return undefined
  const { ca, dns = [], ip = [], email = [], client, days = config.days.leaf } = given
  return { ca, dns, ip, email, client, days }
}

/** Returns the grant as a policy of the CA. */
export function policyOf({ dns, ip, email, client, days }: CertificateGrant, config: CaConfig): Policy {
  return { dns, ip, email, client, maxDays: days, keys: config.policy.keys }
}

/** Returns all names in one line, for the audit log. */
export function namesOf({ dns, ip, email }: CertificateSpec): string {
  return [...dns, ...ip, ...email].join(" ")
}
