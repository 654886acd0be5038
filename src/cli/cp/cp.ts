import { InvalidArgumentError, Option, type Command } from "commander"
import { PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import { Secret } from "../../base/secret.ts"
import { hardSecretBytes } from "../../channel/limits.ts"
import type { FileToCopy } from "../../copy/route.ts"
import { routes } from "../../copy/routes.ts"
import { listContainers } from "../../docker/containers.ts"
import type { Engine } from "../../docker/engine.ts"
import { parseReload, type Reload } from "../../rollout/reload.ts"
import { readBounded } from "../../sources/bounded-read.ts"
import type { CommandAction, Context } from "../command.ts"
import { copyIntoAll, type CopyFlags } from "./containers.ts"
import { parseDestination, pathsFor, type Destination } from "./destination.ts"
import { openEngine } from "../../wiring/open-engine.ts"
import { openContextOf } from "../load-config.ts"
import { readStdin } from "../prompt.ts"

/** `purser cp`: copies files from this host into running containers. A file counts as copied only after it was read back. */

interface Flags extends CopyFlags {
  label?: string[]
  /** The labels that Compose gives its containers. */
  composeService?: string[]
  mode: number
  owner?: string
  onceUrl?: boolean
  printReceiver?: boolean
}

export function define(command: Command, action: CommandAction): void {
  const repeatable = (value: string, earlier: string[] = []): string[] => [...earlier, value]
  command
    .description(
      "Copies files (- is standard input) into running containers. Each file is read back, and kept in memory unless --allow-disk is given.",
    )
    .argument(
      "[files...]",
      "FILE… and, last, CONTAINER:/path/ (or :/path/ with --label or --compose-service)",
    )
    .option(
      "--label <k=v>",
      "into every running container with this label (repeatable: it must have all of them)",
      repeatable,
    )
    .option(
      "--compose-service <project/name>",
      "into every running container of this Compose service",
      composeLabels,
    )
    .option("--mode <mode>", "permission bits, three octal digits", parseMode, 0o400)
    .option(
      "--owner <user[:group]>",
      "names from the container, or numbers (default: the user that it runs as)",
    )
    .addOption(
      new Option("--route <name>", "how to get into the container (see docs/copy.md)")
        .choices(["auto", ...routes.map(({ name }) => name)])
        .default("auto"),
    )
    .option("--require-tmpfs", "fail if the files would be on a disk (the default with --route auto)")
    .option("--allow-disk", "allow the files to be on a disk")
    .option(
      "--reload <spec>",
      "reload afterwards: a signal (HUP), restart, exec:COMMAND or http:URL",
      parseReloadFlag,
    )
    .option(
      "--serve-address <address>",
      "with --route pull: address of this host that the container can reach",
    )
    .option("--isolate", "with --route pull: serve over a temporary network that holds only the container")
    .option("--once-url", "with --route pull: print a URL for one download, and the line to run in a builder")
    .option("--print-receiver", "with --route pull: print the receiver, for baking into an image")
    .action(action(run))
}

async function run(context: Context, flags: Flags, words: string[]): Promise<number> {
  checkFlags(flags)
  if (flags.printReceiver === true || flags.onceUrl === true) {
    const { printReceiver, serveOneUrl } = await import("./pull.ts")
    if (flags.printReceiver === true) await printReceiver(context, words)
    else await serveOneUrl(context, flags, words, (sources) => readSources(context, sources))
    return 0
  }
  const sources = words.slice(0, -1)
  const target = words.at(-1)
  if (target === undefined || sources.length === 0) {
    throw new PurserError("ERR_USAGE", "purser cp needs a file and a destination", {
      hint: "purser cp FILE… CONTAINER:/run/secrets/, or purser cp - CONTAINER:/run/secrets/NAME for standard input",
    })
  }
  const destination = parseDestination(target)
  checkChoice(destination, flags)
  const paths = pathsFor(sources, destination)
  const contents = await readSources(context, sources)
  const files = contents.map((content, index): FileToCopy => ({
    path: paths[index] ?? "",
    content,
    mode: flags.mode,
    ...(flags.owner === undefined ? {} : { owner: flags.owner }),
  }))
  await using engine = await openEngine(openContextOf(context), context.signal)
  const containers = await chosen(engine, destination, flags, context.signal)
  return await copyIntoAll(engine, containers, files, flags, context)
}

function checkFlags(flags: Flags): void {
  if (flags.requireTmpfs === true && flags.allowDisk === true)
    throw new PurserError("ERR_USAGE", "--require-tmpfs and --allow-disk exclude each other")
  if (flags.onceUrl === true && flags.printReceiver === true)
    throw new PurserError("ERR_USAGE", "--once-url and --print-receiver exclude each other")
  if (flags.route === "pull") return
  const only = (["serveAddress", "isolate", "onceUrl", "printReceiver"] as const).find(
    (name) => flags[name] !== undefined,
  )
  if (only === undefined) return
  const flag = `--${only.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  throw new PurserError("ERR_USAGE", `${flag} has no meaning without --route pull`, {
    hint: `add --route pull, or leave ${flag} out`,
  })
}

function checkChoice({ container, path }: Destination, { label, composeService }: Flags): void {
  const byFlags = label !== undefined || composeService !== undefined
  if (byFlags && container !== undefined) {
    throw new PurserError("ERR_USAGE", `flags choose the containers, but ${container} is named too`, {
      hint: `write :${path}, or leave --label and --compose-service out`,
    })
  }
  if (!byFlags && container === undefined) {
    throw new PurserError("ERR_USAGE", `:${path} names no container`, {
      hint: `write CONTAINER:${path}, or add --label K=V or --compose-service PROJECT/NAME`,
    })
  }
}

async function readSources(context: Context, sources: readonly string[]): Promise<Secret[]> {
  if (sources.filter((source) => source === "-").length > 1)
    throw new PurserError("ERR_USAGE", "standard input can be read only once")
  const contents: Secret[] = []
  for (const source of sources) {
    const bytes =
      source === "-" ? await readStdin(context, hardSecretBytes) : await readBounded(source, hardSecretBytes)
    if (bytes === null) throw new PurserError("ERR_SOURCE", `there is no file ${quote(source)}`)
    if (source === "-" && bytes.length === 0) {
      throw new PurserError("ERR_SOURCE", "standard input is empty", {
        hint: "a command before the | may have failed; an empty file can be copied by its name",
      })
    }
    contents.push(new Secret(bytes))
  }
  return contents
}

async function chosen(
  engine: Engine,
  { container }: Destination,
  { label = [], composeService = [] }: Flags,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (container !== undefined) return [container]
  const labels = [...label, ...composeService]
  const found = await listContainers(engine, { labels }, signal)
  if (found.length > 0) return found.map(({ id }) => id)
  throw new PurserError(
    "ERR_NO_SUCH_CONTAINER",
    `no running container has ${labels.map(quote).join(" and ")}`,
    {
      hint: "docker ps --format '{{.Names}} {{.Labels}}' shows what is there",
    },
  )
}

function composeLabels(text: string): string[] {
  const [, project, service] = /^([a-z0-9][a-z0-9_-]*)\/([A-Za-z0-9._-]+)$/.exec(text) ?? []
  if (project === undefined || service === undefined) {
    throw new PurserError("ERR_USAGE", `${quote(text)} is not PROJECT/NAME of a Compose service`, {
      hint: "docker compose ls shows the projects",
    })
  }
  return [`com.docker.compose.project=${project}`, `com.docker.compose.service=${service}`]
}

function parseMode(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8)
  throw new InvalidArgumentError("it is not three octal digits up to 0777.")
}

function parseReloadFlag(text: string): Reload {
  return parseReload(text)
}
