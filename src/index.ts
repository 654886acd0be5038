/**
 * What an application imports to build its own agent or node. Everything else
 * in this package is an implementation detail.
 */
export { createAgent, type CreateAgentOptions, type PurserAgent } from "./wiring/create-agent.ts"
export type { OwnSecret } from "./wiring/own-secrets.ts"
export type { Action, ActionContext } from "./agent/actions/action.ts"
export type {
  AgentEvent,
  DeliveryEvent,
  DeliveryStatus,
  FileEvent,
  FileStatus,
  StartEvent,
} from "./agent/delivery/events.ts"
export { isPurserError, PurserError, type ErrorCode } from "./base/errors.ts"
export { errorKinds } from "./base/errors/table.ts"
export { createLog, silentLog, type Log } from "./base/log.ts"
export { Secret } from "./base/secret.ts"
export { AllowList } from "./channel/allow-list.ts"
export { createIdentity, loadIdentity, loadOrCreateIdentity, type Identity } from "./channel/identity.ts"
export { defaultLimits, type ChannelLimits } from "./channel/limits.ts"
export type { Listing } from "./channel/messages.ts"
export { isPin, type Pin } from "./channel/pin.ts"
export { parseFileLine, parseFileLines, type FileLine } from "./files/file-line.ts"
export type { Fetched } from "./rollout/deliver-files.ts"
export { parseReload, runLocalReload, type Reload, type RunReload } from "./rollout/reload.ts"
export { filesStep, type FilesStepOptions } from "./node/files-step.ts"
export { createNode, type NodeOptions, type PurserNode } from "./node/node.ts"
export type { AgentSession, Steps, StepsSummary } from "./node/session.ts"
