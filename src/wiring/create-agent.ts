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

/** Embeds an agent in an application: a `purser.yaml` as options, with the application's own actions and secrets. */

/**
 * The keys of `purser.yaml`, with the same checks, and options that only a program can give. Relative paths are
 * relative to the working directory.
 */
export interface CreateAgentOptions extends AgentSettings {
  /** State directory: identity, tokens, known nodes, audit log, and the store. Only one agent at a time may use it. */
  readonly state: string
  /**
   * Keyed by name or pattern (`quotes/*`, `*`): sources as in `purser.yaml`; under a name also the application's own
   * secrets.
   */
  readonly secrets?: Readonly<Record<string, SourceSettings | OwnSecret>>
  /**
   * Handlers of requests other than `list` and `file`, keyed by name. A node may call those that its app's `actions`
   * list.
   */
  readonly actions?: Readonly<Record<string, Action>>
  /**
   * The container engine of apps with containers: `unix:///…`, `npipe://…` or `ssh://…`. Default: this machine's usual
   * socket.
   */
  readonly engine?: string
  /** Default: no logging. */
  readonly log?: Log
  /** Called for every start, file and delivery, with the events that `purser agent --json` prints. */
  readonly onEvent?: (event: AgentEvent) => void
}

export interface PurserAgent extends AsyncDisposable {
  /** The pin by which nodes recognise this agent. */
  readonly pin: Pin
  /** Returns the enrolment string of an app, as `purser enrol APP` prints it. */
  enrol(app: string): Promise<string>
  /** Serves every target once, and resolves with the result of each delivery. */
  round(signal?: AbortSignal): Promise<readonly DeliveryEvent[]>
  /** Reports that the application's own secrets have changed: a running agent delivers them at once. */
  changed(...names: readonly string[]): void
  /** Serves until the signal aborts; then starts no new session, and resolves when the current ones have ended. */
  run(signal: AbortSignal): Promise<void>
}

/**
 * Opens an agent. Throws `ERR_CONFIG` for invalid options, `ERR_LOCKED` while another agent uses the state directory.
 */
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
    // The user's docker configuration is not used, because an application names its engine itself.
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
        hint: "pass its handler to createAgent under actions",
      },
    )
  }
}
