import type { NoKeys, TrustKind } from "../kind.ts"

export interface DiscoveredTrust {
  readonly mode: "discovered"
}

/** Trusts every peer that answers at an address. */
export const discoveredKind: TrustKind<NoKeys, DiscoveredTrust> = {
  name: "discovered",
  hasToken: true,
  keys: () => ({}),
  resolve: () => ({ mode: "discovered" }),
  warning: (app) => ({
    message: `${app} has trust: discovered, so any server at its addresses gets its secrets`,
    hint: "use trust: enrolled, and give the nodes the enrolment string that purser enrol prints",
  }),
  checkWarning: (app) => ({
    message: `${app} trusts any server at its addresses`,
    hint: "use trust: enrolled unless its nodes cannot hold a token",
  }),
  decide: async () => undefined,
}
