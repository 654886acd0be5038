import { resolve } from "node:path"
import { PurserError } from "../base/errors.ts"
import { silentLog, type Log } from "../base/log.ts"
import { parseAppName, parseSecretName } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import type { Pin } from "../channel/pin.ts"
import { connectEngine } from "../docker/engine.ts"
import { defaultAddress } from "../docker/endpoint.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import { createCatalogue } from "../sources/open-catalogue.ts"
import type { Action } from "../agent/actions/action.ts"
import type { AppConfig } from "../apps/config.ts"
import type { AgentEvent, DeliveryEvent } from "../agent/delivery/events.ts"
import { enrolApp } from "../agent/enrol.ts"
import { openAgent } from "./open-agent.ts"
import { openCertificates } from "../agent/certificates.ts"
import { certificateAction } from "../apps/certificate-config.ts"
import { resolveConfig, type PlainConfig } from "./config.ts"

/** The agent as an application holds it: what a `purser.yaml` says, with actions and secrets of the application's own. */

type PlainSecrets = NonNullable<PlainConfig["secrets"]>

/** A secret that the application has, or gets when it is asked for; null when it has none. */
export type OwnSecret = Secret | ((signal: AbortSignal) => Promise<Secret | null>)

/** The keys of `purser.yaml`, which docs/configuration.md explains, and what only a program can give. */
export interface CreateAgentOptions extends Omit<PlainConfig, "state" | "secrets"> {
  /** State directory: identity, tokens, known nodes, audit log, and the store. Only one agent at a time may have it. */
  readonly state: string
  /** Sources as in `purser.yaml`, or secrets of the application's own. */
  readonly secrets?: Readonly<Record<string, PlainSecrets[string] | OwnSecret>>
  /** What nodes may ask besides `list` and `file`, by name. An app may ask for those that its own `actions` list. */
  readonly actions?: Readonly<Record<string, Action>>
  /** `unix:///…`, `npipe://…`, `ssh://…`: the container engine of apps with containers. Default: this machine's usual socket. */
  readonly engine?: string
  readonly log?: Log
  readonly onEvent?: (event: AgentEvent) => void
}

export interface PurserAgent extends AsyncDisposable {
  /** By which nodes know this agent. */
  readonly pin: Pin
  /** The enrolment string of an app, as `purser enrol APP` prints it. */
  enrol(app: string): Promise<string>
  /** Serves every node and directory once, and resolves with what came of each. */
  round(signal?: AbortSignal): Promise<readonly DeliveryEvent[]>
  /** Tells that secrets of the application's own have changed: a running agent delivers them at once. */
  changed(...names: readonly string[]): void
  /** Serves until the signal; then starts nothing more, and resolves when the sessions in flight have ended. */
  run(signal: AbortSignal): Promise<void>
}

/** Throws `ERR_CONFIG` for options that a `purser.yaml` could not have, `ERR_LOCKED` while another agent has the state. */
export async function createAgent(options: CreateAgentOptions): Promise<PurserAgent> {
  const { state: stateDir, secrets = {}, actions = {}, engine, log = silentLog, onEvent, ...plain } = options
  const { own, configured } = partition(secrets)
  const config = resolveConfig(
    { ...plain, secrets: configured },
    {
      file: undefined,
      directory: resolve("."),
      stateDir: resolve(stateDir),
      defaultStateDir: resolve(stateDir),
      ownActions: Object.keys(actions),
    },
  )
  refuseUnknownActions(config.apps, actions)
  const { apps, everyMs, discoverMs, limits, parallel, actionMs } = config
  const opened = await openAgent({
    stateDir: config.stateDir,
    plan: (audit) => {
      const certificates = openCertificates(config, { stateDir: config.stateDir, audit, log })
      const { ca, onIssued } = certificates ?? {}
      const catalogue = createCatalogue(config.sources, {
        stateDir: config.stateDir,
        env: {},
        log,
        ca,
        onIssued,
      })
      return {
        apps,
        everyMs,
        discoverMs,
        limits,
        parallel,
        actionMs,
        certificates,
        catalogue: withOwn(catalogue, own),
        connectEngine: (signal) =>
          connectEngine({ host: engine ?? defaultAddress, env: {}, home: stateDir, signal }),
      }
    },
    actions,
    log,
    ...(onEvent === undefined ? {} : { onEvent }),
  })
  const { agent, identity, state, audit } = opened
  return {
    pin: identity.pin,
    enrol: (app) =>
      enrolApp({
        app: parseAppName(app),
        trust: apps[app]?.trust ?? "enrolled",
        stateDir: config.stateDir,
        state,
        audit,
      }),
    round: (signal = new AbortController().signal) => agent.round(signal),
    changed: (...names) => agent.sourceChanged(names),
    run: (signal) => agent.run(signal),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}

/** For the schema one of the application's own counts as in the store; it is never looked for there. */
function partition(secrets: NonNullable<CreateAgentOptions["secrets"]>): {
  own: Map<string, OwnSecret>
  configured: PlainSecrets
} {
  const own = new Map<string, OwnSecret>()
  const configured: PlainSecrets = {}
  for (const [name, source] of Object.entries(secrets)) {
    if (source instanceof Secret || typeof source === "function") {
      own.set(parseSecretName(name), source)
      configured[name] = "store"
    } else {
      configured[name] = source
    }
  }
  return { own, configured }
}

function withOwn(catalogue: Catalogue, own: ReadonlyMap<string, OwnSecret>): Catalogue {
  return {
    async read(name, signal) {
      const source = own.get(name)
      if (source === undefined) return await catalogue.read(name, signal)
      return source instanceof Secret ? source : await source(signal)
    },
    setOf: (name) => (own.has(name) ? undefined : catalogue.setOf(name)),
    check: (name, signal) => catalogue.check(name, signal),
    names: (grants, signal) => catalogue.names(grants, signal),
    watch: (onChange) => catalogue.watch(onChange),
    [Symbol.asyncDispose]: () => catalogue[Symbol.asyncDispose](),
  }
}

function refuseUnknownActions(apps: Readonly<Record<string, AppConfig>>, actions: object): void {
  for (const { name, actions: granted, certificate } of Object.values(apps)) {
    const unknown = granted.find(
      (action) =>
        !Object.hasOwn(actions, action) && (action !== certificateAction || certificate === undefined),
    )
    if (unknown === undefined) continue
    throw new PurserError(
      "ERR_CONFIG",
      `${name} is granted the action ${unknown}, which this agent does not have`,
      {
        hint: "give it to createAgent under actions",
      },
    )
  }
}
