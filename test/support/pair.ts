import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import type { Action } from "../../src/agent/actions/action.ts"
import type { Agent } from "../../src/agent/agent.ts"
import type { AgentPlan } from "../../src/agent/plan.ts"
import type { TargetKind } from "../../src/agent/targets/kind.ts"
import type { AppConfig } from "../../src/apps/config.ts"
import type { AgentEvent, DeliveryEvent } from "../../src/agent/delivery/events.ts"
import { agentIdentity, agentPins } from "../../src/state/identity-files.ts"
import { parseNodeAddress } from "../../src/apps/discovery/address.ts"
import { openAgent } from "../../src/wiring/open-agent.ts"
import { openStateDir, type OpenStateDir } from "../../src/state/open.ts"
import { createLog, silentLog, type Log } from "../../src/base/log.ts"
import { isPattern, grantCovers } from "../../src/base/names.ts"
import { Secret } from "../../src/base/secret.ts"
import { formatEnrolment, type Enrolment } from "../../src/channel/enrolment.ts"
import type { Identity } from "../../src/channel/identity.ts"
import { resolveLimits, type ChannelLimits } from "../../src/channel/limits.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { parseFileLines } from "../../src/files/file-line.ts"
import { parseReload, type RunReload } from "../../src/rollout/reload.ts"
import { filesStep } from "../../src/node/files-step.ts"
import { createNode, type NodeOptions, type PurserNode } from "../../src/node/node.ts"
import type { Steps } from "../../src/node/session.ts"
import type { Catalogue } from "../../src/sources/catalogue.ts"
import { tempDir } from "./temp.ts"

/**
 * An agent and its nodes in one process, over real sockets and with real files.
 * Ends that a test writes by hand are in `raw.ts`.
 */

/** What was logged, as the lines of text that a person would see. */
export interface TestLog {
  readonly log: Log
  readonly lines: string[]
  text(): string
}

export function testLog(): TestLog {
  const lines: string[] = []
  const log = createLog({ write: (text: string) => lines.push(text) }, { level: "debug" })
  return { log, lines, text: () => lines.join("") }
}

/** Secrets in memory, which can change. */
export class TestCatalogue implements Catalogue {
  /** How often each was read. */
  readonly reads = new Map<string, number>()
  readonly #secrets: Map<string, string>
  readonly #watchers: ((names: readonly string[] | "all") => void)[] = []
  /** Called before each read; may throw, or wait. */
  onRead: (name: string, signal: AbortSignal) => Promise<void> | void = () => {}

  constructor(secrets: Readonly<Record<string, string>>) {
    this.#secrets = new Map(Object.entries(secrets))
  }

  set(name: string, content: string): void {
    this.#secrets.set(name, content)
    for (const watcher of this.#watchers) watcher([name])
  }

  async read(name: string, signal: AbortSignal): Promise<Secret | null> {
    this.reads.set(name, (this.reads.get(name) ?? 0) + 1)
    await this.onRead(name, signal)
    const content = this.#secrets.get(name)
    return content === undefined ? null : new Secret(content)
  }

  async names(grants: readonly string[]): Promise<string[]> {
    const named = grants.filter((grant) => !isPattern(grant))
    const found = [...this.#secrets.keys()].filter((name) => grants.some((grant) => grantCovers(grant, name)))
    return [...new Set([...named, ...found])].toSorted()
  }

  groupOf(): undefined {}

  async check(name: string, signal: AbortSignal): Promise<{ sizeBytes: number } | null> {
    return await this.read(name, signal)
  }

  watch(onChange: (names: readonly string[] | "all") => void): void {
    this.#watchers.push(onChange)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watchers.splice(0)
  }
}

export interface AgentSettings {
  /** Default: one secret, `db-password`. */
  secrets?: Readonly<Record<string, string>>
  catalogue?: TestCatalogue
  /** Of the app `web`. */
  app?: Partial<AppConfig>
  apps?: Readonly<Record<string, AppConfig>>
  /** `127.0.0.1:1234`; where the app's nodes are. */
  nodes?: readonly string[]
  limits?: Partial<ChannelLimits>
  plan?: Partial<AgentPlan>
  actions?: Readonly<Record<string, Action>>
  kinds?: readonly TargetKind[]
  statusFile?: string
}

export interface TestAgent extends TestLog, AsyncDisposable {
  readonly agent: Agent
  readonly catalogue: TestCatalogue
  readonly events: readonly AgentEvent[]
  /** One round. */
  round(): Promise<readonly DeliveryEvent[]>
  /** Runs until the test ends or `stop` is called. */
  run(): { readonly stop: () => Promise<void> }
  /** The first event, past or to come, for which this holds. */
  event<T extends AgentEvent>(holds: (event: AgentEvent) => event is T): Promise<T>
  event(holds: (event: AgentEvent) => boolean): Promise<AgentEvent>
  plan(settings: AgentSettings): AgentPlan
}

/** A state directory, and what is made from it. */
export interface Home {
  readonly stateDir: string
  readonly identity: Identity
  /** As `purser enrol` prints it. */
  enrol(app?: string): Promise<string>
  enrolment(app?: string): Promise<Enrolment>
  agent(settings: AgentSettings): Promise<TestAgent>
  withState<T>(work: (opened: OpenStateDir) => T | Promise<T>): Promise<T>
  /** The lines of the audit log. */
  audit(): Promise<Record<string, unknown>[]>
}

export async function home(t: TestContext, given?: string): Promise<Home> {
  const stateDir = given ?? join(await tempDir(t), "state")
  const withState: Home["withState"] = async (work) => {
    await using opened = await openStateDir(stateDir, silentLog)
    return await work(opened)
  }
  const enrolment = async (app = "web"): Promise<Enrolment> => ({
    app,
    agentPins: await agentPins(stateDir),
    token: await withState(({ state }) => state.tokens.current(app)),
  })
  await withState(() => {})
  return {
    stateDir,
    identity: await agentIdentity(stateDir),
    withState,
    enrolment,
    enrol: async (app) => formatEnrolment(await enrolment(app)),
    agent: (settings) => openTestAgent(t, stateDir, settings),
    async audit() {
      const text = await readFile(join(stateDir, "audit.log"), "utf8")
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    },
  }
}

/** An app as configuration gives it. */
export function appConfig(name: string, settings: Partial<AppConfig> = {}): AppConfig {
  return {
    name,
    secrets: ["db-password"],
    actions: [],
    aliases: [],
    protocol: "purser",
    trust: { mode: "enrolled" },
    maxNodes: 100,
    requirePq: false,
    nodes: [],
    directory: undefined,
    containers: undefined,
    files: undefined,
    reload: undefined,
    check: undefined,
    requireTmpfs: false,
    certificate: undefined,
    ...settings,
  }
}

export function nodeSpecs(addresses: readonly string[]): AppConfig["nodes"] {
  return addresses.map((text) => {
    const address = parseNodeAddress(text)
    if (address === null) throw new TypeError(`${text} is not an address`)
    return { kind: "address", ...address }
  })
}

/** A minute between deliveries, so that a second one in a test has another cause. */
function planOf(settings: AgentSettings, catalogue: Catalogue): AgentPlan {
  const { app = {}, apps, nodes = [], limits, plan } = settings
  return {
    apps: apps ?? { web: appConfig("web", { nodes: nodeSpecs(nodes), ...app }) },
    catalogue,
    everyMs: 60_000,
    discoverMs: 60_000,
    limits: resolveLimits(limits),
    parallel: 64,
    actionMs: 1000,
    ...plan,
  }
}

async function openTestAgent(t: TestContext, stateDir: string, settings: AgentSettings): Promise<TestAgent> {
  const said = testLog()
  const events: AgentEvent[] = []
  const waiting = new Set<(event: AgentEvent) => void>()
  const catalogue =
    settings.catalogue ?? new TestCatalogue(settings.secrets ?? { "db-password": "swordfish" })
  const opened = await openAgent({
    stateDir,
    plan: planOf(settings, catalogue),
    log: said.log,
    ...(settings.actions === undefined ? {} : { actions: settings.actions }),
    ...(settings.kinds === undefined ? {} : { kinds: settings.kinds }),
    ...(settings.statusFile === undefined ? {} : { statusFile: settings.statusFile }),
    onEvent(event) {
      events.push(event)
      for (const waiter of waiting) waiter(event)
    },
  })
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => await (closed ??= Promise.resolve(opened[Symbol.asyncDispose]()))
  t.after(close)
  const { agent } = opened
  return {
    ...said,
    agent,
    catalogue,
    events,
    [Symbol.asyncDispose]: close,
    plan: (changed) => planOf(changed, changed.catalogue ?? catalogue),
    round: () => agent.round(new AbortController().signal),
    run() {
      const ends = new AbortController()
      const ended = agent.run(ends.signal)
      const stop = async (): Promise<void> => {
        ends.abort()
        await ended
      }
      t.after(async () => {
        ends.abort()
        agent.abort()
        await ended
      })
      return { stop }
    },
    event: <T extends AgentEvent>(holds: (event: AgentEvent) => boolean): Promise<T> =>
      new Promise((resolve) => {
        const past = events.find(holds)
        if (past !== undefined) return resolve(past as T)
        const waiter = (event: AgentEvent): void => {
          if (!holds(event)) return
          waiting.delete(waiter)
          resolve(event as T)
        }
        waiting.add(waiter)
      }),
  }
}

export interface NodeSettings {
  /** File lines. Default: everything that is granted. */
  files?: readonly string[]
  directory?: string
  reload?: string
  runReload?: RunReload
  check?: string
  limits?: Partial<ChannelLimits>
  identity?: Identity
  name?: string
  /** In the place of files. */
  steps?: Steps
  allow?: NodeOptions["allow"]
  host?: string
}

export interface TestNode extends TestLog {
  readonly node: PurserNode
  readonly address: string
  readonly port: number
  readonly directory: string
  /** How its sessions ended: null, or what was wrong. */
  readonly sessions: readonly unknown[]
  /** Resolves with the end of the session after those that have ended by now. */
  nextSession(): Promise<unknown>
  /** Content of a file. */
  read(name: string): Promise<string>
}

/** A real node on a free port of the loopback, closed after the test. */
export async function startTestNode(
  t: TestContext,
  enrolment: string | Enrolment,
  settings: NodeSettings = {},
): Promise<TestNode> {
  const directory = settings.directory ?? join(await tempDir(t), "secrets")
  const said = testLog()
  const sessions: unknown[] = []
  const waiting = new Set<(error: unknown) => void>()
  const {
    files,
    reload,
    check,
    runReload = async () => {},
    limits,
    identity,
    name = "node-1",
    allow,
  } = settings
  const node = createNode({
    enrolment,
    name,
    log: said.log,
    ...(limits === undefined ? {} : { limits }),
    ...(identity === undefined ? {} : { identity }),
    ...(allow === undefined ? {} : { allow }),
    steps:
      settings.steps ??
      filesStep({
        directory,
        log: said.log,
        runReload,
        ...(files === undefined ? {} : { files: parseFileLines(files) }),
        ...(reload === undefined ? {} : { reload: parseReload(reload) }),
        ...(check === undefined ? {} : { check: parseCheck(check) }),
      }),
    onSession(error) {
      sessions.push(error)
      for (const waiter of waiting) waiter(error)
      waiting.clear()
    },
  })
  t.after(() => node.close())
  const { port } = await node.listen({ host: settings.host ?? "127.0.0.1", port: 0 })
  return {
    ...said,
    node,
    port,
    address: `127.0.0.1:${port}`,
    directory,
    sessions,
    nextSession: () => new Promise((resolve) => void waiting.add(resolve)),
    read: (file) => readFile(join(directory, file), "utf8"),
  }
}
