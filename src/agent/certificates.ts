import type { AuditLog } from "../audit/audit-log.ts"
import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { Ca } from "../ca/ca.ts"
import type { Issued } from "../sources/ca/source.ts"
import { openCa } from "../sources/open-catalogue.ts"
import type { SourcesConfig } from "../sources/schema.ts"
import type { Action } from "./actions/action.ts"
import { certificateActionOf } from "./actions/certificate.ts"
import { certificateAction, namesOf, type CertificateGrant } from "../apps/certificate-config.ts"
import type { AppConfig } from "../apps/config.ts"

/** The CA as the agent has it: what its sources issue and its nodes have signed, each with a line in the audit log. */
export interface Certificates extends AsyncDisposable {
  readonly ca: Ca
  /** What the agent offers by itself; empty unless an app has `certificate:`. */
  readonly actions: Readonly<Record<string, Action>>
  /** For the catalogue. */
  readonly onIssued: (issued: Issued) => Promise<void>
  /** Proves that what will be issued can be: an agent must not find that out a month later. Throws `ERR_CA`, `ERR_PASSPHRASE`. */
  unlock(signal: AbortSignal): Promise<void>
}

export interface CertificatesOptions {
  stateDir: string
  audit: AuditLog
  log: Log
  /** Of the key of the store. */
  askPassphrase?: (() => Promise<Secret | null>) | undefined
}

/** Undefined where the configuration has nothing to do with certificates. */
export function openCertificates(
  { sources, apps }: { sources: SourcesConfig; apps: Readonly<Record<string, AppConfig>> },
  { stateDir, audit, log, askPassphrase }: CertificatesOptions,
): Certificates | undefined {
  const specs = Object.values(sources.secrets).filter((spec) => spec.kind === "ca")
  const grants = new Map<string, CertificateGrant>()
  for (const { name, certificate } of Object.values(apps))
    if (certificate !== undefined) grants.set(name, certificate)
  if (specs.length === 0 && grants.size === 0) return undefined
  const ca = openCa(sources, { stateDir, log, askPassphrase })
  const issues = grants.size > 0 || specs.some(({ ask }) => ask !== undefined)
  const action = certificateActionOf({ ca, config: sources.ca, grants, audit })
  return {
    ca,
    actions: grants.size === 0 ? {} : { [certificateAction]: action },
    async onIssued({ kind, record, notAfter }) {
      const { name, serial, ask } = record
      const names = namesOf(ask)
      await audit.append({ kind, certificate: name, serial, names, until: notAfter.toISOString() })
    },
    async unlock(signal) {
      if (issues) await ca.unlock(signal)
    },
    [Symbol.asyncDispose]: () => ca[Symbol.asyncDispose](),
  }
}
