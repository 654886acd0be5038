import { openAgent, type OpenAgent, type OpenAgentOptions } from "./open-agent.ts"
import { agentPlan } from "./agent-plan.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import type { OpenContext } from "./open-context.ts"
import type { OwnSecret } from "./own-secrets.ts"

export interface ConfiguredAgentOptions extends Omit<OpenAgentOptions, "stateDir" | "plan" | "log"> {
  /** In front of the sources of the configuration. */
  ownSecrets?: ReadonlyMap<string, OwnSecret>
}

export interface ConfiguredAgent extends OpenAgent {
  /** Puts another configuration in place while the agent runs; one that cannot be opened changes nothing, and throws. */
  reconfigure(config: ResolvedConfig, signal: AbortSignal): Promise<void>
}

/** The agent of a configuration. Throws what {@link openAgent} throws. */
export async function openConfiguredAgent(
  config: ResolvedConfig,
  context: OpenContext,
  { ownSecrets, ...options }: ConfiguredAgentOptions,
): Promise<ConfiguredAgent> {
  const opened = await openAgent({
    ...options,
    stateDir: config.stateDir,
    plan: (audit) => agentPlan(config, context, { audit, ownSecrets }),
    log: context.log,
  })
  return {
    ...opened,
    async reconfigure(changed, signal) {
      const plan = agentPlan(changed, context, { audit: opened.audit, ownSecrets })
      await using unused = new AsyncDisposableStack()
      unused.use(plan.certificates)
      unused.use(plan.catalogue)
      await plan.certificates?.unlock(signal)
      unused.move()
      await opened.agent.replacePlan(plan)
    },
  }
}
