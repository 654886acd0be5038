import { fork, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { Agent } from "../src/agent/agent.ts"
import type { AppConfig } from "../src/apps/config.ts"
import { agentIdentity } from "../src/state/identity-files.ts"
import { openStateDir } from "../src/state/open.ts"
import { serveNode } from "../src/agent/targets/node/session.ts"
import { silentLog } from "../src/base/log.ts"
import { Secret } from "../src/base/secret.ts"
import { connectToNode } from "../src/channel/dial.ts"
import { formatEnrolment } from "../src/channel/enrolment.ts"
import type { Identity } from "../src/channel/identity.ts"
import { resolveLimits } from "../src/channel/limits.ts"
import type { Catalogue } from "../src/sources/catalogue.ts"
import type { Question, Ready } from "./far-end.ts"
import { floorContext, handshakeAndEcho } from "./floor.ts"
import { cpuMs, eachOf, median, type Section } from "./measure.ts"

/** Whole deliveries, with trust, grants, files and audit log, against the bare handshake of the same run. */

const parallel = 64
const app = "bench"

const titles = { channel: "the channel alone", first: "first delivery", unchanged: "nothing changed" }
type Kind = "floor" | keyof typeof titles

interface Sample {
  /** The processor time of both ends for one delivery, in milliseconds. */
  readonly cpu: number
  readonly agentCpu: number
  readonly perSecond: number
}

export async function measureDelivery(): Promise<Section> {
  const rows: Section["rows"][number][] = []
  const ratios: { what: string; ratio: number }[] = []
  for (const { nodes, files, rounds } of [
    { nodes: 100, files: 1, rounds: 9 },
    { nodes: 100, files: 2, rounds: 9 },
    { nodes: 1000, files: 1, rounds: 3 },
    { nodes: 1000, files: 2, rounds: 3 },
  ]) {
    const samples = await compare(nodes, files, rounds)
    const of = (kind: keyof typeof samples, figure: keyof Sample): number =>
      median(samples[kind].map((sample) => sample[figure]))
    for (const kind of ["channel", "first", "unchanged"] as const) {
      if (samples[kind].length === 0) continue
      // Measured pair by pair, because the machine's speed drifts.
      const ratio = median(
        samples[kind].map(({ cpu }, index) => cpu / (samples.floor[index]?.cpu ?? Number.NaN)),
      )
      const what = `${nodes} nodes, ${files} ${files === 1 ? "file" : "files"}, ${titles[kind]}`
      ratios.push({ what, ratio })
      rows.push({
        what,
        figures: {
          "CPU against the floor": ratio.toFixed(2),
          aim: "1.3",
          "CPU of both ends": `${of(kind, "cpu").toFixed(2)} ms`,
          "of it the agent": `${of(kind, "agentCpu").toFixed(2)} ms`,
          "deliveries a second": of(kind, "perSecond").toFixed(0),
          "floor a second": of("floor", "perSecond").toFixed(0),
        },
      })
    }
  }
  return {
    title: "Deliveries",
    text: `Agent and nodes are two processes on this machine, ${parallel} deliveries at a time. A delivery is everything: dialling, TLS 1.3 with certificates at both ends and post-quantum key exchange, the proof of enrolment, grants, files of 64 bytes into a tmpfs by temporary name, verification and rename, and the audit log synced to disk. The channel alone is what is left of it without trust, audit log and files. The floor is a mutual TLS 1.3 handshake with the same certificates and key exchange and the echo of one line, between the same two processes in the same run, in turns.`,
    rows,
    ratios,
  }
}

async function compare(nodes: number, files: number, rounds: number): Promise<Record<Kind, Sample[]>> {
  const directory = mkdtempSync("/dev/shm/purser-bench-")
  const stateDir = mkdtempSync(join(resolve(import.meta.dirname, ".."), ".cache/bench-"))
  await using opened = await openStateDir(stateDir, silentLog)
  const identity = await agentIdentity(stateDir)
  const enrolment = formatEnrolment({
    app,
    agentPins: [identity.pin],
    token: opened.state.tokens.current(app),
  })
  const farEnd = fork(join(import.meta.dirname, "far-end.ts"), [enrolment, directory])
  try {
    const [{ port, echoPort }] = (await once(farEnd, "message")) as [Ready]
    const context = floorContext(identity)
    const round = async (): Promise<void> => {
      await using agent = new Agent({ ...opened, identity, plan: planOf(nodes, files, port) })
      const deliveries = await agent.round(new AbortController().signal)
      const failed = deliveries.find(({ status }) => status !== "ok")
      if (failed !== undefined || deliveries.length !== nodes)
        throw new Error(`a delivery failed: ${failed?.error?.message}`)
    }
    const floor = (): Promise<void> =>
      eachOf(Array.from({ length: nodes }), parallel, () => handshakeAndEcho(echoPort, context))

    const channelOnly = (): Promise<void> =>
      eachOf(Array.from({ length: nodes }), parallel, () => deliverOverChannel(port, identity))

    const samples: Record<Kind, Sample[]> = { floor: [], channel: [], first: [], unchanged: [] }
    await ask(farEnd, "settled")
    await round()
    await floor()
    for (let turn = 0; turn < rounds; turn++) {
      samples.floor.push(await sample(farEnd, nodes, floor))
      if (files === 1) {
        await ask(farEnd, "channel")
        samples.channel.push(await sample(farEnd, nodes, channelOnly))
      }
      await ask(farEnd, "fresh")
      samples.first.push(await sample(farEnd, nodes, round))
      await ask(farEnd, "settled")
      samples.unchanged.push(await sample(farEnd, nodes, round))
    }
    return samples
  } finally {
    farEnd.disconnect()
    rmSync(directory, { recursive: true, force: true })
    rmSync(stateDir, { recursive: true, force: true })
  }
}

const content = new Secret("secret-0 ".repeat(64).slice(0, 64))

/** Handshake, pins, proof and one secret, without trust, audit log and files. */
async function deliverOverChannel(port: number, identity: Identity): Promise<void> {
  const limits = resolveLimits()
  const { signal } = new AbortController()
  await using channel = await connectToNode({ host: "127.0.0.1", port, identity, limits, signal })
  const answers = {
    app,
    actionGrants: [],
    secrets: { read: async () => content, names: async () => [] },
    actions: {},
    actionMs: 20_000,
    limits,
    context: { app, node: { name: "bench", pin: channel.peerPin, address: "" } },
    log: silentLog,
  }
  await serveNode(
    { channel, limits, trust: async () => {}, answers: () => answers, onReply: async () => {} },
    signal,
  )
}

async function sample(farEnd: ChildProcess, count: number, work: () => Promise<void>): Promise<Sample> {
  const there = await ask(farEnd, "cpu")
  const here = process.cpuUsage()
  const begun = performance.now()
  await work()
  const elapsedMs = performance.now() - begun
  const agentCpu = cpuMs(here) / count
  const nodeCpu = ((await ask(farEnd, "cpu")) - there) / count
  return { cpu: agentCpu + nodeCpu, agentCpu, perSecond: count / (elapsedMs / 1000) }
}

async function ask(farEnd: ChildProcess, question: Question): Promise<number> {
  const answer = once(farEnd, "message")
  farEnd.send(question)
  return ((await answer) as [number])[0]
}

export function planOf(nodes: number, files: number, port: number) {
  const names = Array.from({ length: files }, (_, index) => `secret-${index}`)
  return {
    apps: { [app]: appOf(nodes, names, port) },
    catalogue: catalogueOf(names),
    everyMs: 3_600_000,
    discoverMs: 300_000,
    limits: resolveLimits(),
    parallel,
    actionMs: 20_000,
  }
}

function appOf(nodes: number, secrets: readonly string[], port: number): AppConfig {
  return {
    name: app,
    secrets,
    actions: [],
    certificate: undefined,
    aliases: [],
    protocol: "purser",
    trust: { mode: "enrolled" },
    maxNodes: nodes + 1,
    requirePq: false,
    nodes: Array.from({ length: nodes }, (_, index) => ({
      kind: "address",
      host: `127.1.${index >> 8}.${index & 255}`,
      port,
    })),
    directory: undefined,
    containers: undefined,
    files: undefined,
    reload: undefined,
    check: undefined,
    requireTmpfs: false,
  }
}

/** Secrets in memory: what a source costs is another question. */
function catalogueOf(names: readonly string[]): Catalogue {
  const contents = new Map(names.map((name) => [name, new Secret(`${name} `.repeat(64).slice(0, 64))]))
  return {
    read: async (name) => contents.get(name) ?? null,
    groupOf: () => undefined,
    check: async (name) => contents.get(name) ?? null,
    names: async () => [...names],
    watch() {},
    async [Symbol.asyncDispose]() {},
  }
}
