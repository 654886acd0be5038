import { pem } from "../../x509/der.ts"
import { factsOf, withCa, writePublicFile } from "./command.ts"
import type { Context } from "../command.ts"
import type { CaFlags } from "./open.ts"
import { canAsk, confirm } from "../prompt.ts"

/** `purser ca revoke` and `crl`: revoke certificates and publish it. */

export async function runRevoke(
  context: Context,
  { reason, yes }: { reason: string; yes?: boolean },
  nameOrSerial: string,
): Promise<void> {
  const { output } = context
  if (yes !== true && canAsk(context) && !(await confirm(`revoke ${nameOrSerial} permanently?`, context))) {
    output.note("nothing was revoked")
    return
  }
  await withCa(context, {}, async (ca) => {
    const record = await ca.revoke(nameOrSerial, reason, context.signal)
    output.result({ ...factsOf(record), reason }, `${record.name}: revoked, serial ${record.serial}`)
    context.log.info("clients see it only in the new CRL", {
      hint: "write the CRL and publish it where clients fetch it: purser ca crl --out FILE",
    })
  })
}

export async function printCrl(
  context: Context,
  flags: CaFlags & { der?: boolean; out?: string },
): Promise<void> {
  const { der = false, out } = flags
  const { output, signal } = context
  await withCa(context, flags, async (ca) => {
    const lists = der ? [await ca.crl(signal)] : await ca.crls(signal)
    const content = der
      ? Buffer.concat(lists)
      : Buffer.from(lists.map((list) => pem("X509 CRL", list)).join(""))
    if (out !== undefined) {
      await writePublicFile(out, content)
      output.result({ files: [out], lists: lists.length }, out)
    } else if (context.json) {
      output.result(der ? { base64: content.toString("base64") } : { pem: content.toString() }, "")
    } else await output.bytes(content)
  })
}
