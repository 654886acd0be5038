import { certificatesOf, needsCertificates } from "../agent/certificates.ts"
import type { AgentPlan } from "../agent/plan.ts"
import type { AuditLog } from "../audit/audit-log.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import { openCa } from "./open-ca.ts"
import { catalogueOver } from "./open-catalogue.ts"
import type { OpenContext } from "./open-context.ts"
import { openEngine } from "./open-engine.ts"
import { withOwnSecrets, type OwnSecret } from "./own-secrets.ts"

/**
 * Returns the plan of an agent, with its sources and its CA opened. The agent that takes the plan closes them; a caller
 * that gives it to no agent closes `catalogue` and then `certificates`.
 */
export function agentPlan(
  config: ResolvedConfig,
  context: OpenContext,
  { audit, ownSecrets }: { audit: AuditLog; ownSecrets?: ReadonlyMap<string, OwnSecret> | undefined },
): AgentPlan {
  const { apps, everyMs, discoverMs, limits, parallel, actionMs } = config
  const certificates = needsCertificates(config)
    ? certificatesOf(config, openCa(config, context), audit)
    : undefined
  const catalogue = catalogueOver(config, context, {
    ca() {
      if (certificates !== undefined) return certificates.ca
      throw new TypeError("a source needs the CA although needsCertificates said no")
    },
    onIssued: certificates?.onIssued,
  })
  return {
    apps,
    everyMs,
    discoverMs,
    limits,
    parallel,
    actionMs,
    certificates,
    catalogue: ownSecrets === undefined ? catalogue : withOwnSecrets(catalogue, ownSecrets),
    connectEngine: (signal) => openEngine(context, signal),
  }
}
