import { deepFreeze } from "../config/deep-freeze.ts"
import { keyTypeNames } from "../x509/key-families.ts"

/** Default configuration of a CA. It is kept apart from the schema, so that using it does not load zod. */
export const caDefaults = deepFreeze({
  name: "Purser CA",
  keys: { root: "p256", intermediate: "p256", leaf: "p256" },
  /** Lifetime of each. */
  days: { root: 7300, intermediate: 1825, leaf: 90, crl: 7 },
  pathLength: 1,
  constraints: { dns: [], ip: [], email: [] },
  policy: { client: true, maxDays: 397, keys: keyTypeNames },
} as const)
