import { PurserError } from "../../base/errors.ts"
import { certificateFileNames } from "../../ca/certificate-files.ts"
import { caSource } from "../ca/source.ts"
import { caEntrySchema, caSpecOf, type CaEntry, type CaSpec } from "../ca/spec.ts"
import type { EntryUse, SourceKind } from "../kind.ts"

/** A certificate of this host's CA. */
export const caKind: SourceKind<typeof caEntrySchema, CaSpec> = {
  name: "ca",
  schema: caEntrySchema,
  holds: { kind: "group", names: certificateFileNames, noun: "certificate's set" },
  check,
  resolve: caSpecOf,
  open: ({ ca, caConfig: config, onIssued, log }) => ({
    source: (spec) => caSource(spec, { ca: ca(), config, onIssued, log }),
  }),
  missingHint: ({ name }) =>
    `run purser ca issue ${name} or purser ca import, or give it names (dns: […]) in purser.yaml`,
}

function check(entry: CaEntry, { report }: EntryUse): void {
  try {
    if (caSpecOf(entry).certificate !== undefined) return
  } catch (error) {
    if (!(error instanceof PurserError)) throw error
    return report(error.message, error.hint ?? "")
  }
  const [lone] = (["days", "key"] as const).filter((key) => entry[key] !== undefined)
  if (lone !== undefined || entry.client)
    report(`${lone ?? "client"} has no meaning without names`, "add dns:, ip: or email:, or leave it out")
}
