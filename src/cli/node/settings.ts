import { splitHostPort } from "../../base/net-address.ts"
import { realpathSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { sep } from "node:path"
import { parseArgs, type ParseArgsOptionsConfig } from "node:util"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { parseAppName, quote } from "../../base/names.ts"
import { AllowList } from "../../channel/allow-list.ts"
import { parseEnrolment, type Enrolment } from "../../channel/enrolment.ts"
import type { ChannelLimits } from "../../channel/limits.ts"
import { defaultPort } from "../../channel/port.ts"
import { parseCheck, type Check } from "../../rollout/check.ts"
import { checkPaths, defaultDirectory, parseFileLines, type FileLine } from "../../files/file-line.ts"
import { parseReload, type Reload } from "../../rollout/reload.ts"
import { filesOf, parseCertificateLines, type CertificateLine } from "../../node/certificate-line.ts"
import { wireName } from "../../node/fluxvault.ts"
import { parseLimits } from "./limits.ts"

/** What `purser node` is told, by flags and environment; a flag wins over its variable. */
export type NodeSettings = CommonSettings & (PurserSettings | FluxvaultSettings)

interface PurserSettings {
  protocol: "purser"
  enrolment: Enrolment
  /** Undefined: all that the agent grants. */
  files: readonly FileLine[] | undefined
  certificates: readonly CertificateLine[]
  allow: AllowList | undefined
}

/** FluxVault's own protocol, which has neither enrolment nor a way to ask for all there is. */
interface FluxvaultSettings {
  protocol: "fluxvault"
  files: readonly FileLine[]
  certificates: readonly []
  allow: AllowList
}

interface CommonSettings {
  /** Without a host: every address, by IPv6 and IPv4. */
  listen: { host: string | undefined; port: number }
  directory: string
  reload: Reload | undefined
  check: Check | undefined
  limits: ChannelLimits
  identityFile: string | undefined
  name: string | undefined
  statusFile: string | undefined
  requireTmpfs: boolean
  once: boolean
  json: boolean
  verbose: boolean
  command: readonly [string, ...string[]] | undefined
}

const options = {
  "enrol-file": { type: "string" },
  listen: { type: "string" },
  directory: { type: "string" },
  file: { type: "string", multiple: true },
  certificate: { type: "string", multiple: true },
  reload: { type: "string" },
  check: { type: "string" },
  allow: { type: "string", multiple: true },
  limit: { type: "string", multiple: true },
  identity: { type: "string" },
  name: { type: "string" },
  protocol: { type: "string" },
  status: { type: "string" },
  "require-tmpfs": { type: "boolean" },
  once: { type: "boolean" },
  json: { type: "boolean" },
  verbose: { type: "boolean", short: "v" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsOptionsConfig

export const usage = `Usage: purser node [options] [-- COMMAND [ARG...]]

Receives secrets from the agent that the enrolment string names. With a command:
starts it once every required file is in place, and reloads it on changes.

  --enrol-file FILE     the file that holds the enrolment string; or set PURSER_ENROL
  --listen [HOST:]PORT  default [::]:${defaultPort}
  --directory DIR       where files go unless their line has a path (${defaultDirectory})
  --file LINE           NAME [path=PATH] [mode=0400] [owner=USER[:GROUP]] [optional]
                        repeatable; PURSER_FILES has one a line; default: all that is granted
  --certificate LINE    NAME dns=HOST [ip=ADDRESS] [path=DIR] [mode=0400] [owner=USER[:GROUP]] [optional]
                        a certificate from the agent's CA for a key made here; repeatable; or PURSER_CERTIFICATE
  --reload RELOAD       a signal (HUP) or restart, of the command; exec:COMMAND; http:URL
  --check CHECK         [HOST]:PORT [file=NAME] [name=SERVER] [within=10s]: afterwards the new certificate
                        is served there, or the old files are put back
  --allow WHO           addresses, CIDRs or host names that may connect, with commas; repeatable
  --limit NAME=VALUE    such as secret_bytes=4194304 or sessions=8 (docs/protocol.md); repeatable
  --identity FILE       keep this node's key there (for apps with trust approved or pinned)
  --name NAME           how the agent lists this node; default: the host name
  --protocol NAME       fluxvault, for an agent of FluxVault's own: unauthenticated; needs --allow
                        and --file, and no enrolment string (docs/fluxvault.md)
  --status FILE         keep the health status there, for purser health
  --require-tmpfs       refuse to write to a disk
  --once                end after the first complete delivery
  --json                one JSON object a line
  -v, --verbose         say more
  -h, --help            this text

Each has a variable: PURSER_LISTEN for --listen, PURSER_ENROL_FILE for --enrol-file, and so on.
`

type Values = ReturnType<typeof parseFlags>["values"]

/** Resolves with null when help was asked for. Throws `ERR_USAGE` and what the parsers of its parts throw. */
export async function readNodeSettings(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<NodeSettings | null> {
  const { values, positionals, tokens } = parseFlags(argv)
  if (values.help === true) return null
  const command = commandOf(positionals, tokens)
  const flagOrEnv = (
    flag: "protocol" | "reload" | "check" | "identity" | "name" | "status" | "directory" | "listen",
  ): string | undefined => values[flag] ?? nonEmpty(env[`PURSER_${flag.toUpperCase()}`])

  const directory = flagOrEnv("directory") ?? defaultDirectory
  const reload = mapDefined(flagOrEnv("reload"), parseReload)
  if (
    reload !== undefined &&
    command === undefined &&
    (reload.kind === "signal" || reload.kind === "restart")
  ) {
    throw new PurserError("ERR_RELOAD_SPEC", `reload ${flagOrEnv("reload")} needs a command to reload`, {
      hint: "give the command after --, or use exec:COMMAND or http:URL",
    })
  }
  const check = mapDefined(flagOrEnv("check"), parseCheck)
  const once = values.once ?? isOn(env["PURSER_ONCE"])
  if (once && command !== undefined) {
    throw new PurserError("ERR_USAGE", "--once and a command do not go together", {
      hint: "with a command the node runs as long as the command does",
    })
  }
  const files = mapDefined(values.file ?? nonEmpty(env["PURSER_FILES"]), parseFileLines)
  const certificates = parseCertificateLines(values.certificate ?? env["PURSER_CERTIFICATE"] ?? "")
  checkPaths([...(files ?? []), ...filesOf(certificates)], directory)
  const allowed = listOf(values.allow?.join(",") ?? env["PURSER_ALLOW"] ?? "")
  // A list of nobody was not meant to be one.
  const allow = allowed.length === 0 ? undefined : AllowList.parse(allowed)
  const protocol = flagOrEnv("protocol") ?? "purser"
  return {
    ...(protocol === "purser"
      ? { protocol, enrolment: await readEnrolment(values, env, directory), allow, files, certificates }
      : fluxvault(protocol, { values, env }, allow, files)),
    listen: parseListen(flagOrEnv("listen") ?? String(defaultPort)),
    directory,
    reload,
    check,
    limits: parseLimits(values.limit ?? listOf(env["PURSER_LIMITS"] ?? "")),
    identityFile: flagOrEnv("identity"),
    name: mapDefined(flagOrEnv("name"), parseAppName),
    statusFile: flagOrEnv("status"),
    requireTmpfs: values["require-tmpfs"] ?? isOn(env["PURSER_REQUIRE_TMPFS"]),
    once,
    json: values.json ?? isOn(env["PURSER_JSON"]),
    verbose: values.verbose ?? isOn(env["PURSER_VERBOSE"]),
    command,
  }
}

function fluxvault(
  protocol: string,
  { values, env }: { values: Values; env: NodeJS.ProcessEnv },
  allow: AllowList | undefined,
  files: readonly FileLine[] | undefined,
): FluxvaultSettings {
  const bad = (message: string, hint: string): PurserError => new PurserError("ERR_USAGE", message, { hint })
  if (protocol !== "fluxvault") throw bad(`there is no protocol ${quote(protocol)}`, "purser or fluxvault")
  const vain =
    (["enrol-file", "identity", "name", "certificate"] as const)
      .filter((flag) => values[flag] !== undefined)
      .map((flag) => `--${flag}`)[0] ??
    ["ENROL", "ENROL_FILE", "IDENTITY", "NAME", "CERTIFICATE"]
      .map((name) => `PURSER_${name}`)
      .find((name) => nonEmpty(env[name]) !== undefined)
  if (vain !== undefined)
    throw bad(
      `${vain} has no meaning with the protocol fluxvault`,
      "no end of it proves who it is, and it knows files only",
    )
  if (allow === undefined)
    throw bad(
      "--protocol fluxvault needs an allow-list",
      "name the agent by --allow or PURSER_ALLOW: nothing else keeps strangers off",
    )
  if (files === undefined || files.length === 0)
    throw bad(
      "--protocol fluxvault needs a list of files",
      "give file lines by --file or PURSER_FILES: it cannot ask what there is",
    )
  files.forEach(wireName)
  return { protocol, allow, files, certificates: [] }
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true, tokens: true })
  } catch (error) {
    // Node's own message names the option and what is wrong with it.
    throw new PurserError("ERR_USAGE", reasonOf(error).split(". ")[0] ?? "bad usage", {
      hint: "see purser node --help",
    })
  }
}

function commandOf(
  positionals: string[],
  tokens: ReturnType<typeof parseFlags>["tokens"],
): [string, ...string[]] | undefined {
  const [file, ...args] = positionals
  if (file === undefined) return undefined
  const terminator = tokens.find((token) => token.kind === "option-terminator")
  const first = tokens.find((token) => token.kind === "positional")
  if (terminator === undefined || first === undefined || first.index < terminator.index) {
    // Not repeated: it may be an enrolment string that somebody meant to give this way.
    throw new PurserError("ERR_USAGE", "an argument that is no option", {
      hint: "a command comes after --; the enrolment string by PURSER_ENROL or --enrol-file, never as an argument",
    })
  }
  return [file, ...args]
}

async function readEnrolment(values: Values, env: NodeJS.ProcessEnv, directory: string): Promise<Enrolment> {
  const file = values["enrol-file"] ?? nonEmpty(env["PURSER_ENROL_FILE"])
  const text = nonEmpty(env["PURSER_ENROL"])
  if (file !== undefined) {
    if (isBelow(file, directory)) {
      throw new PurserError(
        "ERR_USAGE",
        `the enrolment string's file ${file} lies in ${directory}, which this node fills`,
        {
          hint: "keep it elsewhere, for example as a Docker secret under another path or in PURSER_ENROL",
        },
      )
    }
    return parseEnrolment((await readText(file)).trim())
  }
  if (text === undefined) {
    throw new PurserError("ERR_ENROLMENT", "no enrolment string", {
      hint: "run `purser enrol APP` where the agent is, and set PURSER_ENROL or PURSER_ENROL_FILE here",
    })
  }
  return parseEnrolment(text.trim())
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch (error) {
    throw new PurserError("ERR_ENROLMENT", `cannot read ${file}: ${reasonOf(error)}`, {
      hint: "the file holds what `purser enrol APP` printed; PURSER_ENROL takes the string itself",
      cause: error,
    })
  }
}

function isBelow(file: string, directory: string): boolean {
  try {
    return realpathSync(file).startsWith(realpathSync(directory) + sep)
  } catch {
    return false
  }
}

/** `39898`, `127.0.0.1:39898` or `[::]:39898`. */
function parseListen(text: string): { host: string | undefined; port: number } {
  const split = splitHostPort(/^\d{1,5}$/.test(text) ? `:${text}` : text)
  if (split?.port === undefined || text.startsWith(":")) {
    throw new PurserError("ERR_ADDRESS", `cannot listen on ${text}`, {
      hint: "write PORT, HOST:PORT or [IPv6]:PORT",
    })
  }
  return { host: split.host, port: split.port }
}

function listOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== "")
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : text
}

function isOn(text: string | undefined): boolean {
  return text !== undefined && ["1", "true", "yes", "on"].includes(text.toLowerCase())
}

function mapDefined<T, U>(value: T | undefined, map: (value: T) => U): U | undefined {
  return value === undefined ? undefined : map(value)
}
