import type { AuditLog } from "../audit/audit-log.ts"
import type { Ca } from "../ca/ca.ts"
import type { Issued } from "../sources/ca/renewal.ts"
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

type Config = { readonly sources: SourcesConfig; readonly apps: Readonly<Record<string, AppConfig>> }

/** Whether the agent of this configuration has to do with certificates. */
export function needsCertificates({ sources, apps }: Config): boolean {
  const isSource = Object.values(sources.secrets).some(({ kind }) => kind === "ca")
  return isSource || Object.values(apps).some(({ certificate }) => certificate !== undefined)
}

/** Takes the CA over, and closes it. */
export function certificatesOf({ sources, apps }: Config, ca: Ca, audit: AuditLog): Certificates {
  const specs = Object.values(sources.secrets).filter((spec) => spec.kind === "ca")
  const grants = new Map<string, CertificateGrant>()
  for (const { name, certificate } of Object.values(apps))
    if (certificate !== undefined) grants.set(name, certificate)
  const issues = grants.size > 0 || specs.some(({ certificate }) => certificate !== undefined)
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
