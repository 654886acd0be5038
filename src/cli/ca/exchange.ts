import { PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import type { Secret } from "../../base/secret.ts"
import type { OutputFormat } from "../../ca/output.ts"
import {
  askOf,
  factsOf,
  findRecord,
  makeOutputDirectory,
  readInput,
  shownDate,
  withCa,
  writePublicFile,
  type NameFlags,
} from "./command.ts"
import type { Context } from "../command.ts"
import { givenPassphrase } from "./open.ts"
import { askNewPassword, canAsk } from "../prompt.ts"

/** `purser ca export`, `request` and `import`: exchange files with programs and other CAs. */

interface ExportFlags {
  readonly out: string
  readonly format: readonly OutputFormat[]
  readonly legacy?: boolean
  readonly passwordFile?: string
  readonly passwordFd?: string
}

const known: readonly OutputFormat[] = ["pem", "p12", "truststore"]

/** Parses the value of `--format`. Throws `ERR_USAGE`. */
export function formats(text: string): readonly OutputFormat[] {
  const words = text.split(",").map((word) => word.trim())
  return [...new Set(words)].map((word) => {
    const format = known.find((one) => one === word)
    if (format !== undefined) return format
    throw new PurserError("ERR_USAGE", `${quote(word)} is not a format`, { hint: `use ${known.join(", ")}` })
  })
}

export async function exportFiles(context: Context, flags: ExportFlags, name: string): Promise<void> {
  const { out: directory, format, legacy = false } = flags
  const needsPassword = format.some((one) => one !== "pem")
  if (!needsPassword && (legacy || flags.passwordFile !== undefined || flags.passwordFd !== undefined)) {
    throw new PurserError("ERR_USAGE", "only p12 and truststore take a password and --legacy", {
      hint: "add --format p12",
    })
  }
  const { writeOutputs } = await import("../../ca/output.ts")
  await withCa(context, {}, async (ca) => {
    const record = await findRecord(ca, name)
    const key = record.hasKey ? await ca.keyOf(record) : null
    const root = record.root ?? (await ca.root())
    const password = needsPassword ? await passwordOf(context, flags) : undefined
    await makeOutputDirectory(directory)
    const files = await writeOutputs(record, key, root, {
      directory,
      formats: format,
      legacy,
      ...(password === undefined ? {} : { password }),
    })
    context.output.result({ ...factsOf(record), files }, files.join("\n"))
    if (key === null) context.output.note(`${name}: its key is kept elsewhere, so it is not in the files`)
  })
}

async function passwordOf(context: Context, flags: ExportFlags): Promise<Secret> {
  const given = await givenPassphrase(flags.passwordFile, flags.passwordFd, "--password-fd", context)
  if (given !== null) return given
  if (canAsk(context)) return await askNewPassword("a password for the file", context)
  throw new PurserError(
    "ERR_USAGE",
    "p12 and truststore need a password, and there is no terminal to ask for it",
    {
      hint: "give it with --password-file or --password-fd",
    },
  )
}

export async function request(
  context: Context,
  flags: NameFlags & { out?: string },
  name: string,
): Promise<void> {
  const { output } = context
  const { requestCertificate } = await import("../../ca/request.ts")
  await withCa(context, {}, async (ca) => {
    const { csr, id } = await requestCertificate(ca, name, askOf(flags), context.signal)
    if (flags.out !== undefined) {
      await writePublicFile(flags.out, csr)
      output.result({ name, id, files: [flags.out] }, flags.out)
    } else if (context.json) output.result({ name, id, csr }, "")
    else await output.bytes(Buffer.from(csr))
    context.log.info(`the request for ${name} is pending; its key stays here`, {
      hint: "send the request to your CA, then: purser ca import FILE…",
    })
  })
}

export async function importFiles(
  context: Context,
  { root }: { root?: string },
  names: string[],
): Promise<void> {
  const { importCertificates } = await import("../../ca/import.ts")
  const { readCertificates } = await import("../../ca/pem.ts")
  const files: { name: string; bytes: Buffer }[] = []
  for (const name of names) files.push({ name, bytes: await readInput(context, name) })
  const roots = root === undefined ? [] : await readCertificates(await readInput(context, root))
  await withCa(context, {}, async (ca) => {
    const imported = await importCertificates(ca, files, { roots, log: context.log }, context.signal)
    for (const record of imported) {
      const facts = factsOf(record)
      context.output.result(
        facts,
        `${record.name}: imported, valid until ${shownDate(facts.notAfter)}, serial ${record.serial}`,
      )
    }
  })
}
