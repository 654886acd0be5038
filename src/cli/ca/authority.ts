import type { X509Certificate } from "node:crypto"
import { join, resolve } from "node:path"
import { factsOfAuthority, shownDate, withCa } from "./command.ts"
import type { Context } from "../command.ts"
import type { CaFlags } from "./open.ts"

/** `purser ca init`, `intermediate` and `reindex`: make and repair the CA itself. */

export async function init(context: Context, flags: CaFlags): Promise<void> {
  await withCa(context, flags, async (ca, { stateDir }) => {
    const { root, intermediate } = await ca.init(context.signal)
    const file = join(stateDir, "ca/root.crt")
    const rootKey = flags.rootKey === undefined ? join(stateDir, "ca/root.key") : resolve(flags.rootKey)
    context.output.result(
      {
        root: { ...factsOfAuthority(root), file, key: rootKey },
        intermediate: factsOfAuthority(intermediate),
      },
      `root:          ${file}, valid until ${until(root)}\n` +
        `its key:       ${rootKey}\n` +
        `intermediate:  valid until ${until(intermediate)}`,
    )
    context.log.info("the CA is ready", {
      hint: "purser ca issue NAME --dns HOST --out DIR issues a certificate; purser ca root prints the root for clients",
    })
  })
}

export async function newIntermediate(
  context: Context,
  { revoke = false, ...flags }: CaFlags & { revoke?: boolean },
): Promise<void> {
  await withCa(context, flags, async (ca) => {
    const intermediate = await ca.renewIntermediate(context.signal, { revoke })
    const facts = factsOfAuthority(intermediate)
    context.output.result(facts, `new intermediate: ${facts.serial}, valid until ${until(intermediate)}`)
    const message = revoke
      ? "the previous intermediate is revoked; clients see it only in the root's CRL (purser ca crl)"
      : "certificates of the previous intermediate stay valid"
    context.log.info(message, { hint: "purser ca renew --all --before 3650d renews all certificates" })
  })
}

export async function reindex(context: Context): Promise<void> {
  await withCa(context, {}, async (ca) => {
    const records = await ca.reindex(context.signal)
    context.output.result({ records }, `${records} ${records === 1 ? "record" : "records"}`)
  })
}

function until({ validToDate }: X509Certificate): string {
  return shownDate(validToDate)
}
