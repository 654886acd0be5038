/**
 * The public API: an application imports from here to build its own agent or node. Exports the type of every option and
 * result. Everything else in this package is an implementation detail, and may change in any version.
 */

// The agent.
export { createAgent, type CreateAgentOptions, type PurserAgent } from "./wiring/create-agent.ts"
export type { OwnSecret } from "./wiring/own-secrets.ts"
export type { AgentSettings, LimitSettings } from "./wiring/settings.ts"
export type {
  Alias,
  AppSettings,
  CertificateSettings,
  ContainerSettings,
  NodeAddressSettings,
  Protocol,
  TrustMode,
} from "./apps/settings.ts"
export type {
  CaDaysSettings,
  CaKeySettings,
  CaNameSettings,
  CaPolicySettings,
  CaSettings,
} from "./ca/settings.ts"
export type {
  AgeSourceSettings,
  CaSourceSettings,
  DirSourceSettings,
  EnvSourceSettings,
  ExecSourceSettings,
  FileSourceSettings,
  SourceSettings,
  StoreSettings,
} from "./sources/settings.ts"
export type { KeyTypeName } from "./x509/key-families.ts"
export type { Action, ActionContext } from "./agent/actions/action.ts"
export type {
  AgentEvent,
  DeliveryEvent,
  DeliveryStatus,
  FileEvent,
  FileStatus,
  StartEvent,
} from "./agent/delivery/events.ts"

// The node.
export { createNode, type NodeOptions, type PurserNode } from "./node/node.ts"
export { runNode } from "./node/run.ts"
export type {
  CommonRunNodeOptions,
  RunFluxvaultNodeOptions,
  RunNodeOptions,
  RunPurserNodeOptions,
} from "./node/run-options.ts"
export type { FluxvaultNode } from "./node/fluxvault.ts"
export type { ListenAddress } from "./channel/bind.ts"
export type { AgentSession, Steps, StepsSummary } from "./node/session.ts"
export { filesStep, type FileAgent, type FilesStep, type FilesStepOptions } from "./node/files-step.ts"
export type { Fetched } from "./rollout/deliver-files.ts"
export { parseFileLine, parseFileLines, type FileLine } from "./files/file-line.ts"
export { parseCertificateLine, parseCertificateLines, type CertificateLine } from "./node/certificate-line.ts"
export type { SubjectNames } from "./x509/csr.ts"
export { parseCheck, type Check } from "./rollout/check.ts"
export { parseReload, runLocalReload, type Reload, type RunReload } from "./rollout/reload.ts"
export { AllowList, type AllowListOptions } from "./channel/allow-list.ts"
export { parseEnrolment, type Enrolment } from "./channel/enrolment.ts"

// Shared by both.
export { createIdentity, loadIdentity, loadOrCreateIdentity, type Identity } from "./channel/identity.ts"
export { defaultLimits, type ChannelLimits } from "./channel/limits.ts"
export type { Listing } from "./channel/messages.ts"
export { isPin, type Pin } from "./channel/pin.ts"
export type { Digest } from "./base/digest.ts"
export { isPurserError, PurserError, type ErrorCode, type ErrorDetails } from "./base/errors.ts"
export { errorKinds } from "./base/errors/table.ts"
export {
  createLog,
  silentLog,
  type Log,
  type LogFields,
  type LogLevel,
  type LogOptions,
  type LogWriter,
} from "./base/log.ts"
export { Secret } from "./base/secret.ts"
