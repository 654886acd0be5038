import { resolve } from "node:path"
import { PurserError } from "../base/errors.ts"
import { silentLog, type Log } from "../base/log.ts"
import { parseAppName } from "../base/names.ts"
import type { Pin } from "../channel/pin.ts"
import type { SourceSettings } from "../sources/settings.ts"
import { defaultAddress } from "../docker/endpoint.ts"
import type { Action } from "../agent/actions/action.ts"
import type { AppConfig } from "../apps/config.ts"
import type { AgentEvent, DeliveryEvent } from "../agent/delivery/events.ts"
import { enrolApp } from "../agent/enrol.ts"
import { certificateAction } from "../apps/certificate-config.ts"
import { resolveConfig } from "./config.ts"
import type { AgentSettings } from "./settings.ts"
import { openConfiguredAgent } from "./configured-agent.ts"
import { partitionSecrets, type OwnSecret } from "./own-secrets.ts"

/** The agent as an application holds it: what a `purser.yaml` says, with actions and secrets of the application's own. */

/**
 * The keys of `purser.yaml`, checked as they are there, and what only a program can give. Relative paths are relative to
 * the working directory.
 */
export interface CreateAgentOptions extends AgentSettings {
  /** State directory: identity, tokens, known nodes, audit log, and the store. Only one agent at a time may have it. */
  readonly state: string
  /** By name, or by pattern (`quotes/*`, `*`): sources as in `purser.yaml`; by name also secrets of the application's own. */
  readonly secrets?: Readonly<Record<string, SourceSettings | OwnSecret>>
  /** What nodes may ask besides `list` and `file`, by name. An app may ask for those that its own `actions` list. */
  readonly actions?: Readonly<Record<string, Action>>
  /** `unix:///…`, `npipe://…`, `ssh://…`: the container engine of apps with containers. Default: this machine's usual socket. */
  readonly engine?: string
  /** Default: nothing is logged. */
  readonly log?: Log
  /** Called for every start, file and delivery, with what `purser agent --json` prints. */
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
  const { own, configured } = partitionSecrets(secrets)
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
  const { apps } = config
  refuseUnknownActions(apps, actions)
  const opened = await openConfiguredAgent(
    config,
    // Nothing of the user's own docker configuration: an application says which engine it means.
    { env: {}, home: stateDir, engineAddress: engine ?? defaultAddress, log },
    { ownSecrets: own, actions, ...(onEvent === undefined ? {} : { onEvent }) },
  )
  const { agent, identity, state, audit } = opened
  return {
    pin: identity.pin,
    enrol: (app) =>
      enrolApp({
        app: parseAppName(app),
        trust: apps[app]?.trust.mode ?? "enrolled",
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
