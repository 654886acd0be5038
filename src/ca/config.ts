import { isIP } from "node:net"
import { z } from "zod"
import { anyOf, keyTypeNames, type KeyTypeName } from "../x509/key-families.ts"
import { caDefaults } from "./defaults.ts"
import { configPath } from "../config/path.ts"
import { filePath, wholeNumber } from "../config/scalars.ts"

/**
 * The schema of `ca:` in `purser.yaml`, or of a separate `ca.yaml`, and its resolved form, which the CA works with. It
 * reads no files.
 */

/**
 * Limits of what may be issued. Host names: `shop.lan` is that name, `.lan` any name below it, `*.shop.lan` that
 * wildcard. Addresses: an address or a CIDR. Mail: `a@b` is a mailbox, `@b` a whole domain. An absent list allows any.
 */
export interface Policy {
  readonly dns?: readonly string[] | undefined
  readonly ip?: readonly string[] | undefined
  readonly email?: readonly string[] | undefined
  /** Allows certificates for clients. */
  readonly client: boolean
  readonly maxDays: number
  readonly keys: readonly KeyTypeName[]
}

/** X.509 name constraints (RFC 5280 section 4.2.1.10) of the root: it is trusted for these names only. */
export interface Constraints {
  readonly dns: readonly string[]
  /** CIDR. */
  readonly ip: readonly string[]
  readonly email: readonly string[]
}

/** Resolved: paths absolute, defaults filled in. */
export interface CaConfig {
  /** Start of the common names of root and intermediates. */
  readonly name: string
  /** Absolute path of the passphrase of the intermediate's key, for use without a terminal. */
  readonly passphraseFile: string | undefined
  readonly keys: {
    readonly root: KeyTypeName
    readonly intermediate: KeyTypeName
    readonly leaf: KeyTypeName
  }
  readonly days: {
    readonly root: number
    readonly intermediate: number
    readonly leaf: number
    readonly crl: number
  }
  /** Length of the longest chain of intermediates below the root. */
  readonly pathLength: number
  readonly constraints: Constraints
  readonly policy: Policy
  /** URL of the CRL, written into every issued certificate. */
  readonly crlUrl: string | undefined
}

const caName = /^[\p{L}\p{N}](?:[\p{L}\p{N} .,'&()_-]{0,46}[\p{L}\p{N}.)])?$/u
const dnsName =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const rule = (test: (text: string) => boolean, error: string, hint: string) =>
  z
    .string()
    .transform((text) => text.toLowerCase())
    .refine(test, { error, params: { hint } })

const isDnsRule = (text: string): boolean => dnsName.test(text.replace(/^(?:\*\.|\.)/, ""))
const isIpRule = (text: string): boolean => {
  const [address = "", bits, ...more] = text.split("/")
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}
const isEmailRule = (text: string): boolean => {
  const [mailbox = "", domain = "", ...more] = text.split("@")
  return more.length === 0 && dnsName.test(domain) && /^[\x21-\x3f\x41-\x7e]*$/.test(mailbox)
}

const dnsRule = rule(
  isDnsRule,
  "not a rule for names",
  "shop.lan is that name, .lan any name below, *.shop.lan that wildcard",
)
const ipRule = rule(isIpRule, "neither an address nor a CIDR", "192.0.2.7, 10.0.0.0/8 or fd00::/8")
const emailRule = rule(
  isEmailRule,
  "not a rule for mail addresses",
  "ops@shop.lan is that one, @shop.lan all of them",
)

const days = (most: number) => wholeNumber(1, most)
const keyType = z.enum(keyTypeNames)

/** Lists of names, as a source and an app's policy hold them. */
export const namesSchema = {
  dns: z.array(dnsRule).optional(),
  ip: z.array(ipRule).optional(),
  email: z.array(emailRule).optional(),
}

export const caSchema = z
  .strictObject({
    name: z
      .string()
      .refine((text) => caName.test(text), { error: "not a name for a CA" })
      .default(caDefaults.name)
      .describe("what the subjects of root and intermediates begin with"),
    passphrase_file: filePath
      .optional()
      .describe("holds the passphrase of the intermediate's key, for an agent that issues by itself"),
    keys: z
      .strictObject({
        root: keyType.default(caDefaults.keys.root),
        intermediate: keyType.default(caDefaults.keys.intermediate),
        leaf: keyType.default(caDefaults.keys.leaf),
      })
      .prefault({})
      .describe(anyOf(keyTypeNames)),
    days: z
      .strictObject({
        root: days(36_500).default(caDefaults.days.root),
        intermediate: days(36_500).default(caDefaults.days.intermediate),
        leaf: days(3650).default(caDefaults.days.leaf),
        crl: days(365).default(caDefaults.days.crl),
      })
      .prefault({})
      .describe("how long each is valid"),
    path_length: z
      .int()
      .min(1)
      .max(8)
      .default(caDefaults.pathLength)
      .describe("how many CAs may follow one another below the root"),
    constraints: z
      .strictObject({
        dns: z.array(dnsRule).default([]),
        ip: z.array(ipRule).default([]),
        email: z.array(emailRule).default([]),
      })
      .prefault({})
      .describe("name constraints: whoever trusts the root trusts it for these names only"),
    policy: z
      .strictObject({
        ...namesSchema,
        client: z
          .boolean()
          .default(caDefaults.policy.client)
          .describe("whether certificates for clients are issued"),
        max_days: days(3650).default(caDefaults.policy.maxDays),
        keys: z
          .array(keyType)
          .min(1)
          .default([...caDefaults.policy.keys]),
      })
      .prefault({})
      .describe("what may be issued; a list that is absent allows any"),
    crl_url: z
      .url({ protocol: /^https?$/, error: "not an http URL" })
      .optional()
      .describe("where clients find the CRL"),
  })
  .superRefine((ca, context) => {
    const report = (path: string[], message: string, hint: string): void =>
      context.addIssue({ code: "custom", path, message, params: { hint } })
    const { root, intermediate, leaf } = ca.days
    if (intermediate > root)
      report(["days", "intermediate"], "outlives the root", `${root} at most, or a longer root`)
    if (leaf > intermediate) report(["days", "leaf"], "outlives the intermediate", `${intermediate} at most`)
    if (leaf > ca.policy.max_days)
      report(["days", "leaf"], `is more than policy.max_days (${ca.policy.max_days})`, "change one of them")
    if (!ca.policy.keys.includes(ca.keys.leaf))
      report(["keys", "leaf"], "is none of policy.keys", "add it there")
    for (const [index, name] of ca.constraints.dns.entries()) {
      if (!name.startsWith("*.")) continue
      const hint = `write ${name.slice(1)} for all names below it`
      context.addIssue({
        code: "custom",
        path: ["constraints", "dns", index],
        message: "a name constraint has no wildcard",
        params: { hint },
      })
    }
  })
  .describe("the CA of this host: purser ca")

/** Fills in defaults. Relative paths are below `directory`, the configuration file's. */
export function resolveCa(ca: z.output<typeof caSchema>, directory: string): CaConfig {
  const { policy } = ca
  return {
    name: ca.name,
    passphraseFile: ca.passphrase_file === undefined ? undefined : configPath(ca.passphrase_file, directory),
    keys: ca.keys,
    days: ca.days,
    pathLength: ca.path_length,
    constraints: ca.constraints,
    policy: {
      dns: policy.dns,
      ip: policy.ip,
      email: policy.email,
      client: policy.client,
      maxDays: policy.max_days,
      keys: policy.keys,
    },
    crlUrl: ca.crl_url,
  }
}
