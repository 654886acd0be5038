import { spawn, type StdioOptions } from "node:child_process"
import { once } from "node:events"
import { constants } from "node:os"
import type { Command } from "commander"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { parseSecretName, quote } from "../../base/names.ts"
import type { Mount } from "../../mounts/directory.ts"
import { isInUse } from "../../mounts/leftovers.ts"
import { mountSecrets } from "../../mounts/mount-secrets.ts"
import { targetPath } from "../../files/file-line.ts"
import type { CommandAction, Context } from "../command.ts"
import { parseDockerRun, type DockerRun } from "./docker-flags.ts"
import { openEngine } from "../../wiring/open-engine.ts"
import { openContextOf } from "../load-config.ts"
import { readSecrets, type WantedSecret } from "./read-secrets.ts"

interface Flags {
  secret: string[]
  envFileStyle?: string
}

/** `purser run`: runs `docker run` with secrets that are mounted before the container starts and removed when it ends. */
export function define(command: Command, action: CommandAction): void {
  command
    .description("Runs a container with docker run. Its secrets are in memory, and mounted before it starts.")
    .argument("<words...>", "after --: flags of docker run, the image, and its command")
    .requiredOption(
      "-s, --secret <name[=path]>",
      "mount a secret, at /run/secrets/NAME unless a path says otherwise (repeatable)",
      (value: string, earlier: string[] | undefined) => [...(earlier ?? []), value],
    )
    .option(
      "--env-file-style <suffix>",
      "set a variable NAME + suffix (such as _FILE) to the path of each secret",
    )
    .action(action(run))
}

async function run(context: Context, flags: Flags, words: string[]): Promise<number> {
  const wanted = flags.secret.map(parseWanted)
  refuseSamePath(wanted)
  const docker = parseDockerRun(words)
  const variables = flags.envFileStyle === undefined ? [] : variablesFor(wanted, flags.envFileStyle)
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new PurserError("ERR_USAGE", "purser run needs root on the Linux host that the engine runs on", {
      hint: "use sudo; elsewhere let purser agent fill the container, or give it a node of its own",
    })
  }
  const secrets = await readSecrets(wanted, context)
  await using engine = await openEngine(openContextOf(context), context.signal)
  await using mounted = await mountSecrets(engine, docker, secrets, {
    pull: () => pull(docker, context),
    log: context.log,
    signal: context.signal,
  })
  context.signal.throwIfAborted()
  const code = await runDocker(
    docker,
    [...mountFlags(mounted.mounts), ...variables, `--label=${mounted.label}`],
    context,
  )
  // Ctrl-P Ctrl-Q detaches docker run, and the container keeps running.
  if (await isInUse(engine, mounted.id, AbortSignal.timeout(10_000))) {
    mounted.keep()
    context.log.warn("the container still runs; the first purser run after its end removes its secrets")
  }
  return code
}

function parseWanted(text: string): WantedSecret {
  const equals = text.indexOf("=")
  const name = parseSecretName(equals < 0 ? text : text.slice(0, equals))
  if (equals < 0) return { name, path: targetPath({ name }) }
  const path = text.slice(equals + 1)
  const segments = path.split("/")
  if (
    segments[0] === "" &&
    segments.length > 1 &&
    segments.slice(1).every((part) => !["", ".", ".."].includes(part)) &&
    !/[\0,\n"]/.test(path)
  )
    return { name, path }
  throw new PurserError("ERR_USAGE", `${quote(path)} is not a valid file path in the container`, {
    hint: "write -s NAME=/absolute/path, without dot segments, commas and quotes (docker's --mount cannot take those)",
  })
}

function refuseSamePath(wanted: readonly WantedSecret[]): void {
  for (const [index, { name, path }] of wanted.entries()) {
    const other = wanted
      .slice(0, index)
      .find((one) => one.path === path || one.path.startsWith(`${path}/`) || path.startsWith(`${one.path}/`))
    if (other === undefined) continue
    throw new PurserError("ERR_USAGE", `${other.name} and ${name} have conflicting paths at ${path}`, {
      hint: "give one of them another path: -s NAME=/path",
    })
  }
}

/** The `--env` flags that name the files; the paths are not secret. */
function variablesFor(wanted: readonly WantedSecret[], suffix: string): string[] {
  if (!/^_[A-Z0-9_]+$/.test(suffix)) {
    throw new PurserError("ERR_USAGE", `${quote(suffix)} is not a valid suffix of a variable's name`, {
      hint: "--env-file-style _FILE makes DB_PASSWORD_FILE=/run/secrets/db-password",
    })
  }
  return wanted.map(
    ({ name, path }) => `--env=${name.toUpperCase().replace(/[^A-Z0-9]/g, "_")}${suffix}=${path}`,
  )
}

/** Pulls the image, because the mounts are tested before docker run would pull it. */
async function pull({ image, platform }: DockerRun, context: Context): Promise<void> {
  const flags = platform === undefined ? [] : [`--platform=${platform}`]
  // Progress goes to stderr, because it is not a result.
  const code = await runChild(["pull", ...flags, image], ["ignore", 2, 2], context)
  if (code !== 0)
    throw new PurserError("ERR_DOCKER", `docker pull ${quote(image)} ended with exit code ${code}`)
}

function mountFlags(mounts: readonly Mount[]): string[] {
  return mounts.map(({ source, target }) => `--mount=type=bind,source=${source},target=${target},readonly`)
}

async function runDocker(docker: DockerRun, flags: readonly string[], context: Context): Promise<number> {
  context.releaseSignals()
  return await runChild(
    ["run", ...flags, ...docker.flags, docker.image, ...docker.command],
    "inherit",
    context,
  )
}

/** Runs docker and forwards signals to it. Resolves with its exit code, or 128 + the signal's number. */
async function runChild(
  argv: readonly string[],
  stdio: StdioOptions,
  { stdin, env }: Context,
): Promise<number> {
  const child = spawn("docker", argv, { stdio, env })
  // Not forwarded, because a terminal sends these to docker too.
  const fromTerminal: NodeJS.Signals[] = stdin.isTTY ? ["SIGINT", "SIGQUIT"] : []
  const others: NodeJS.Signals[] = [
    "SIGTERM",
    "SIGHUP",
    "SIGUSR1",
    "SIGUSR2",
    ...(stdin.isTTY ? [] : (["SIGINT", "SIGQUIT"] as const)),
  ]
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
  const ignore = (): void => {}
  for (const signal of others) process.on(signal, pass)
  for (const signal of fromTerminal) process.on(signal, ignore)
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null]
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
  } catch (error) {
    throw new PurserError("ERR_CHILD", `docker could not be started: ${reasonOf(error)}`, {
      cause: error,
      hint: "purser run needs the docker command in the PATH",
    })
  } finally {
    for (const signal of others) process.removeListener(signal, pass)
    for (const signal of fromTerminal) process.removeListener(signal, ignore)
  }
}
