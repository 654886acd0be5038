import { openAgent, type OpenAgent, type OpenAgentOptions } from "./open-agent.ts"
import { agentPlan } from "./agent-plan.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import type { OpenContext } from "./open-context.ts"
import type { OwnSecret } from "./own-secrets.ts"

export interface ConfiguredAgentOptions extends Omit<OpenAgentOptions, "stateDir" | "plan" | "log"> {
  /** Secrets that take precedence over the configured sources. */
  ownSecrets?: ReadonlyMap<string, OwnSecret>
}

export interface ConfiguredAgent extends OpenAgent {
  /**
   * Replaces the configuration while the agent runs. Throws if the new one cannot be opened; the old one then stays.
   */
  reconfigure(config: ResolvedConfig, signal: AbortSignal): Promise<void>
}

/** Opens the agent of a configuration. Throws the errors of {@link openAgent}. */
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
