import { isPurserError, PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import type { Ca } from "../../ca/ca.ts"
import { readRequest } from "../../ca/csr.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"
import {
  askOf,
  factsOf,
  makeOutputDirectory,
  readInput,
  shownDate,
  withCa,
  writePublicFile,
  type NameFlags,
} from "./command.ts"
import type { Context } from "../command.ts"
import type { CaFlags } from "./open.ts"
import { canAsk, confirm } from "../prompt.ts"

/** `purser ca issue` and `sign`: issue certificates of this host's CA. */

interface IssueFlags extends CaFlags, NameFlags {
  readonly out?: string
}

interface SignFlags extends CaFlags {
  readonly name: string
  readonly client?: boolean
  readonly days?: number
  readonly out?: string
  readonly yes?: boolean
}

export async function runIssue(context: Context, flags: IssueFlags, name: string): Promise<void> {
  await withCa(context, flags, async (ca) => {
    const record = await ca.issue(name, askOf(flags), {}, context.signal)
    const files = flags.out === undefined ? [] : await writeFiles(ca, record, flags.out)
    const facts = factsOf(record)
    context.output.result(
      { ...facts, files },
      [`${name}: issued, valid until ${shownDate(facts.notAfter)}, serial ${record.serial}`, ...files].join(
        "\n",
      ),
    )
    if (flags.out !== undefined) return
    context.log.info("the key and the certificate are in the state directory", {
      hint: `write them to files: purser ca export ${name} --out DIR`,
    })
  })
}

async function writeFiles(ca: Ca, record: CertificateRecord, directory: string): Promise<readonly string[]> {
  const { writeOutputs } = await import("../../ca/output.ts")
  try {
    const key = await ca.keyOf(record)
    await makeOutputDirectory(directory)
    return await writeOutputs(record, key, await ca.root(), { directory, formats: ["pem"] })
  } catch (error) {
    if (!isPurserError(error)) throw error
    throw new PurserError(
      error.code,
      `${record.name} is issued, but its files are not written: ${error.message}`,
      {
        hint: `write them: purser ca export ${record.name} --out DIR`,
        cause: error,
      },
    )
  }
}

export async function sign(context: Context, flags: SignFlags, file: string): Promise<void> {
  const { name, client = false, days, out } = flags
  const csr = await readInput(context, file)
  const { keyType, subject, dns, ip, email, otherExtensions } = await readRequest(csr)
  const names = [...dns, ...ip, ...email]
  const shown = names.length === 0 ? "no names" : names.map(quote).join(", ")
  const { output } = context
  output.note(
    `${file === "-" ? "the request" : file} asks for ${shown}; its key is ${keyType ?? "of an unknown type"}`,
  )
  if (subject !== "" && !names.includes(subject)) output.note(`its subject ${quote(subject)} is ignored`)
  if (otherExtensions.length > 0) output.note(`ignored extensions: ${otherExtensions.map(quote).join(", ")}`)
  if (flags.yes !== true && canAsk(context) && !(await confirm(`sign this as ${name}?`, context))) {
    output.note("nothing was signed")
    return
  }
  await withCa(context, flags, async (ca) => {
    const record = await ca.sign(name, csr, { client, days }, context.signal)
    const text = [record.certificate, ...record.chain].join("")
    const facts = factsOf(record)
    if (out !== undefined) {
      await writePublicFile(out, text)
      output.result(
        { ...facts, files: [out] },
        `${name}: signed, valid until ${shownDate(facts.notAfter)}, serial ${record.serial}\n${out}`,
      )
    } else if (context.json) output.result({ ...facts, certificate: text }, "")
    else await output.bytes(Buffer.from(text))
  })
}
