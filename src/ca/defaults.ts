import { deepFreeze } from "../config/deep-freeze.ts"
import { keyTypeNames } from "../x509/key-families.ts"

/** The CA where nothing is configured. Stands apart from the schema, which loads zod. */
export const caDefaults = deepFreeze({
  name: "Purser CA",
  keys: { root: "p256", intermediate: "p256", leaf: "p256" },
  /** How long each is valid. */
  days: { root: 7300, intermediate: 1825, leaf: 90, crl: 7 },
  pathLength: 1,
  constraints: { dns: [], ip: [], email: [] },
  policy: { client: true, maxDays: 397, keys: keyTypeNames },
} as const)
