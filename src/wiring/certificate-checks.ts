import type { z } from "zod"
import { certificateAction, type certificateSchema } from "../apps/certificate-config.ts"
import { PurserError } from "../base/errors.ts"
import type { CaConfig } from "../ca/config.ts"
import { checkPolicy } from "../ca/policy.ts"
import { certificatesIn } from "../sources/ca/spec.ts"

/** What sources and apps have certificates for, checked against `ca:`. */

interface Given {
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

/** `ownActions`: what a program offers besides; undefined where that is not known. Reports what cannot work. */
export function checkCertificates(
  config: Given,
  { ca, ownActions }: { ca: CaConfig; ownActions: readonly string[] | undefined },
  context: z.RefinementCtx,
): void {
  const report = (path: (string | number)[], message: string, hint: string, atKey = false): void =>
    context.addIssue({ code: "custom", path, message, params: { hint, atKey } })
  const passphraseHint =
    "add passphrase_file: to ca:; the agent opens the intermediate's key with what it holds"
  for (const [entry, spec] of certificatesIn(config.secrets)) {
    if (spec.ask === undefined) continue
    const { days = ca.days.leaf, key = ca.keys.leaf } = spec.ask
    if (ca.passphraseFile === undefined)
      report(
        ["secrets", entry],
        "an agent that issues by itself needs ca.passphrase_file",
        passphraseHint,
        true,
      )
    try {
      checkPolicy({ ...spec.ask, days }, key, ca.policy, "the CA")
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
          "add certificate: { ca: NAME, dns: […] } to the app: what its nodes may have certificates for"
        report(["apps", app, "actions"], "the action certificate needs certificate: beside it", hint, true)
      }
      continue
    }
    const path = ["apps", app, "certificate"]
    if (isOwn) {
      const hint = "leave it out, or do not give createAgent that action"
      report(path, "has no meaning where the program has an action certificate of its own", hint, true)
    }
    if (!isAsked) report(path, "needs the action beside it", "add actions: [certificate] to the app", true)
    if (ca.passphraseFile === undefined)
      report(path, "an agent that signs by itself needs ca.passphrase_file", passphraseHint, true)
    if ((certificate.days ?? 0) > ca.policy.maxDays)
      report(
        [...path, "days"],
        `is more than ca.policy.max_days (${ca.policy.maxDays})`,
        "change one of them",
      )
    if (certificate.client && !ca.policy.client)
      report([...path, "client"], "is not allowed by ca.policy.client", "change one of them")
  }
}
