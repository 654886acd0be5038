/** An agent with as many nodes as the first argument says; tells its memory once it has delivered to all. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { Agent } from "../src/agent/agent.ts"
import { agentIdentity } from "../src/state/identity-files.ts"
import { openStateDir } from "../src/state/open.ts"
import { silentLog } from "../src/base/log.ts"
import { formatEnrolment } from "../src/channel/enrolment.ts"
import { planOf } from "./delivery.ts"
import type { Ready } from "./far-end.ts"
import { residentMiB } from "./start-up.ts"

const nodes = Number(process.argv[2])
const directory = mkdtempSync("/dev/shm/purser-bench-")
const stateDir = mkdtempSync(join(resolve(import.meta.dirname, ".."), ".cache/bench-"))
await using opened = await openStateDir(stateDir, silentLog)
const identity = await agentIdentity(stateDir)
const farEnd = fork(join(import.meta.dirname, "far-end.ts"), [
  formatEnrolment({ app: "bench", agentPins: [identity.pin], token: opened.state.tokens.current("bench") }),
  directory,
])
const [{ port }] = (await once(farEnd, "message")) as [Ready]
farEnd.send("settled")

const stop = new AbortController()
const delivered = Promise.withResolvers<void>()
const served = new Set<string>()
await using agent = new Agent({
  ...opened,
  identity,
  plan: planOf(nodes, 1, port),
  onEvent(event) {
    if (event.type !== "delivery" || event.status !== "ok") return
    served.add(event.target)
    if (served.size === nodes) delivered.resolve()
  },
})
const running = agent.run(stop.signal)
await delivered.promise
process.send?.({ residentMiB: residentMiB(process.pid), deliveries: served.size })
await once(process, "disconnect")
stop.abort()
await running
farEnd.disconnect()
rmSync(directory, { recursive: true, force: true })
rmSync(stateDir, { recursive: true, force: true })
