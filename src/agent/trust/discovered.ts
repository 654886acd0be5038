import type { TrustRule } from "./trust.ts"

/** Whatever answers at the address. The agent warns at its start. */
export const discovered: TrustRule = async () => undefined
