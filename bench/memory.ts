import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import type { Section } from "./measure.ts"

/** The memory of an agent that has delivered to ten thousand nodes and waits for the next round. */
export async function measureMemory(): Promise<Section> {
  const agent = fork(join(import.meta.dirname, "big-agent.ts"), ["10000"])
  const [{ residentMiB, deliveries }] = (await once(agent, "message")) as [
    { residentMiB: number; deliveries: number },
  ]
  agent.disconnect()
  return {
    title: "Memory of an agent",
    text: "Resident memory of a process that holds an agent, after one delivery to each of its nodes, with every one of them known and waiting for its next turn.",
    rows: [
      {
        what: `agent with ${deliveries} nodes`,
        figures: { "resident memory": `${residentMiB.toFixed(0)} MiB`, aim: "300 MiB" },
      },
    ],
  }
}
