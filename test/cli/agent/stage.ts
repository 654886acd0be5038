import type { TestContext } from "node:test"
import { startTestNode, type NodeSettings, type TestNode } from "../../support/pair.ts"
import { processes } from "../../support/processes.ts"
import { waitFor } from "../../support/wait.ts"

/** A state directory with one secret and one enrolment, and what agents and nodes are made from it. */

export async function stage(t: TestContext) {
  const cast = await processes(t)
  await cast.purser(["secret", "set", "db-password"], "swordfish")
  const enrolment = await cast.purser(["enrol", "web"])
  const flags = ["agent", "--app", "web", "--secret", "db-password"]
  return {
    ...cast,
    enrolment,
    startNode: (settings: NodeSettings = {}): Promise<TestNode> => startTestNode(t, enrolment, settings),
    round: (argv: readonly string[]) => cast.run([...flags, "--once", ...argv]),
    startAgent: (argv: readonly string[]) => cast.start([...flags, "--json", ...argv]),
  }
}

export const contentIs = async (node: TestNode, name: string, content: string): Promise<unknown> =>
  await waitFor(`${name} to be ${content}`, async () => (await node.read(name).catch(() => "")) === content)
