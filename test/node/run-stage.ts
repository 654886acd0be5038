import { join } from "node:path"
import type { TestContext } from "node:test"
import { runNode, type PurserNode, type RunPurserNodeOptions } from "../../src/index.ts"
import { home, testLog, type AgentSettings, type TestAgent } from "../support/pair.ts"
import { tempDir } from "../support/temp.ts"

/** A node embedded in this process, served by an agent beside it. */

export interface RunningNode {
  readonly node: PurserNode
  readonly port: number
  readonly ended: Promise<number>
  readonly stop: () => Promise<number>
}

export async function stage(t: TestContext) {
  const base = await tempDir(t)
  const directory = join(base, "secrets")
  const place = await home(t)
  const enrolment = await place.enrol()
  const said = testLog()
  return {
    base,
    directory,
    enrolment,
    said,
    agentAt: (port: number, settings: AgentSettings = {}): Promise<TestAgent> =>
      place.agent({ nodes: [`127.0.0.1:${port}`], ...settings }),
    /** Resolves once the node accepts connections. */
    start: async (options: Partial<RunPurserNodeOptions> = {}): Promise<RunningNode> => {
      const stopping = new AbortController()
      const ready = Promise.withResolvers<{ node: PurserNode; port: number }>()
      const ended = runNode(
        {
          enrolment,
          directory,
          log: said.log,
          listen: { host: "127.0.0.1", port: 0 },
          onReady: (node, address) => ready.resolve({ node, port: address?.port ?? 0 }),
          ...options,
        },
        stopping.signal,
      )
      const stop = async (): Promise<number> => {
        stopping.abort()
        return await ended
      }
      t.after(() => stop().catch(() => {}))
      ended.catch(ready.reject)
      return { ...(await ready.promise), ended, stop }
    },
  }
}
