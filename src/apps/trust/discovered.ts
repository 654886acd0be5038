import type { TrustRule } from "./trust-rule.ts"

/** Whatever answers at the address. The agent warns at its start. */
export const discovered: TrustRule = async () => undefined
