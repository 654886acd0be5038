import { Option, type Command } from "commander"
import { membershipOf } from "../apps/containers/membership.ts"
import { PurserError } from "../base/errors.ts"
import { exitCodeOf } from "../base/errors/table.ts"
import { escapeForTerminal } from "../base/escape.ts"
import type { AsksInVain } from "../doctor/container.ts"
import { examine, examineComposeFile } from "../doctor/doctor.ts"
import { isAtLeast, type Finding, type Level, type Location } from "../doctor/finding.ts"
import type { CommandAction, Context } from "./command.ts"
import { openEngine } from "../wiring/open-engine.ts"
import { commandConfig, openContextOf } from "./load-config.ts"

interface Flags {
  container?: string
  image?: string
  file?: string
  sarif?: boolean
  failOn: Level
}

/** `purser doctor`: reports where secrets leak, and how to fix it. Prints names and reasons, never values. */
export function define(command: Command, action: CommandAction): void {
  command
    .description(
      "Looks for leaked secrets on an engine, or in one container, image or Compose file. Changes nothing.",
    )
    .option("--container <name>", "examine only this container and its image")
    .option("--image <name>", "examine only this image")
    .option("--file <compose.yaml>", "examine only this Compose file; needs no engine")
    .option("--sarif", "print SARIF 2.1.0, for code hosting sites")
    .addOption(
      new Option("--fail-on <level>", "exit with 1 if there is a finding of at least this level")
        .choices(["error", "warning", "note"])
        .default("error"),
    )
    .action(action(run))
}

async function run(context: Context, flags: Flags): Promise<number> {
  const chosen = [flags.container, flags.image, flags.file].filter((one) => one !== undefined)
  if (chosen.length > 1)
    throw new PurserError("ERR_USAGE", "--container, --image and --file exclude each other")
  if (flags.sarif === true && context.json)
    throw new PurserError("ERR_USAGE", "--sarif and --json exclude each other")
  const findings =
    flags.file === undefined ? await ofEngine(context, flags) : await examineComposeFile(flags.file)
  await print(findings, flags, context)
  return findings.some(({ level }) => isAtLeast(level, flags.failOn)) ? exitCodeOf("ERR_FINDINGS") : 0
}

async function ofEngine(context: Context, { container, image }: Flags): Promise<Finding[]> {
  await using engine = await openEngine(openContextOf(context), context.signal)
  return await examine(engine, {
    ...(container === undefined ? {} : { container }),
    ...(image === undefined ? {} : { image }),
    asksInVain: await asker(context),
    signal: context.signal,
  })
}

/** Tells by the apps of purser.yaml why a container gets nothing; undefined without a purser.yaml. */
async function asker(context: Context): Promise<AsksInVain | undefined> {
  const { apps, file } = await commandConfig(context)
  if (file === undefined) return undefined
  return (container, imageLabels) => membershipOf(apps, container, imageLabels).refusal ?? null
}

async function print(
  findings: readonly Finding[],
  { sarif }: Flags,
  { output, json }: Context,
): Promise<void> {
  if (sarif === true) {
    const { sarifOf } = await import("../doctor/sarif.ts")
    await output.bytes(Buffer.from(`${JSON.stringify(sarifOf(findings), null, 2)}\n`))
    return
  }
  if (json) {
    for (const finding of findings) output.result(finding, "")
    return
  }
  const bySubject = Map.groupBy(findings, ({ subject }) => `${subject.kind} ${subject.name}`)
  for (const [subject, of] of bySubject) {
    const lines = of.flatMap(({ level, rule, message, fix, location, subject: { name } }) => [
      `  ${level}: ${escapeForTerminal(message)} [${rule}]${location === undefined ? "" : placeOf(location, name)}`,
      `    fix: ${escapeForTerminal(fix)}`,
    ])
    output.result({}, [escapeForTerminal(subject), ...lines].join("\n"))
  }
  const count = (level: Level): number => findings.filter((one) => one.level === level).length
  output.note(
    findings.length === 0
      ? "nothing was found"
      : `${count("error")} errors, ${count("warning")} warnings, ${count("note")} notes`,
  )
}

/** The line, with the file if it differs from the subject's name. */
function placeOf({ file, line }: Location, above: string): string {
  return file === above ? ` (line ${line})` : ` (${escapeForTerminal(file)}:${line})`
}
