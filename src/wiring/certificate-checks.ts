import type { z } from "zod"
import { certificateAction, type certificateSchema } from "../apps/certificate-config.ts"
import { PurserError } from "../base/errors.ts"
import type { CaConfig } from "../ca/config.ts"
import { checkPolicy } from "../ca/policy.ts"
import { certificatesIn } from "../sources/ca/spec.ts"

/** Checks the certificates of sources and apps against `ca:`. */

interface CheckedConfig {
  readonly secrets: Readonly<Record<string, unknown>>
  readonly apps: Readonly<
    Record<
      string,
      {
        readonly actions: readonly string[]
        readonly certificate?: z.output<typeof certificateSchema> | undefined
      }
    >
  >
}

/**
 * Reports certificates that cannot work. `ownActions` are the actions that a program offers; undefined if they are not
 * known.
 */
export function checkCertificates(
  config: CheckedConfig,
  { ca, ownActions }: { ca: CaConfig; ownActions: readonly string[] | undefined },
  context: z.RefinementCtx,
): void {
  const report = (path: (string | number)[], message: string, hint: string, atKey = false): void =>
    context.addIssue({ code: "custom", path, message, params: { hint, atKey } })
  const passphraseHint = "add passphrase_file: to ca:, a file with the passphrase of the intermediate's key"
  for (const [entry, spec] of certificatesIn(config.secrets)) {
    if (spec.certificate === undefined) continue
    const { days = ca.days.leaf, key = ca.keys.leaf } = spec.certificate
    if (ca.passphraseFile === undefined)
      report(["secrets", entry], "issuing automatically needs ca.passphrase_file", passphraseHint, true)
    try {
      checkPolicy({ ...spec.certificate, days }, key, ca.policy, "the CA")
    } catch (error) {
      if (!(error instanceof PurserError)) throw error
      report(["secrets", entry], error.message, error.hint ?? "")
    }
  }
  for (const [app, { actions, certificate }] of Object.entries(config.apps)) {
    const isOwn = ownActions?.includes(certificateAction) === true
    const isAsked = actions.includes(certificateAction)
    if (certificate === undefined) {
      if (isAsked && ownActions !== undefined && !isOwn) {
        const hint =
          "add certificate: { ca: NAME, dns: […] } to the app, with the names that its nodes may have"
        report(["apps", app, "actions"], "the action certificate needs certificate: beside it", hint, true)
      }
      continue
    }
    const path = ["apps", app, "certificate"]
    if (isOwn) {
      const hint = "leave it out, or do not pass that action to createAgent"
      report(path, "has no meaning if the program has its own action certificate", hint, true)
    }
    if (!isAsked) report(path, "needs the action beside it", "add actions: [certificate] to the app", true)
    if (ca.passphraseFile === undefined)
      report(path, "signing automatically needs ca.passphrase_file", passphraseHint, true)
    if ((certificate.days ?? 0) > ca.policy.maxDays)
      report(
        [...path, "days"],
        `is more than ca.policy.max_days (${ca.policy.maxDays})`,
        "change one of the two",
      )
    if (certificate.client && !ca.policy.client)
      report([...path, "client"], "is not allowed by ca.policy.client", "change one of the two")
  }
}
