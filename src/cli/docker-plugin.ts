import { connect } from "node:net"
import { dirname, join, resolve } from "node:path"
import { PurserError } from "../base/errors.ts"
import { version } from "../base/version.ts"

/**
 * Docker's CLI plugin protocol: `docker purser cp …` starts the program that is found as `docker-purser`. Docker passes
 * its own flags as they were given, then the plugin's name, then the plugin's words:
 *
 *     docker-purser docker-cli-plugin-metadata
 *     docker-purser --context far purser cp …
 *     docker-purser help purser cp
 */

const pluginName = "purser"

/** The metadata for docker's help, with docker's field names. */
const metadata = {
  SchemaVersion: "0.1.0",
  Vendor: "Purser",
  Version: version,
  ShortDescription: "Gets secrets into running containers",
}

export interface PluginCall {
  /** The words for `purser`. */
  readonly words: readonly string[]
  /** The variables that stand for docker's flags; undefined for one that must be unset. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Text to print instead of running a command. */
  readonly print?: string
}

/** Docker's flags that take a value, by their letters and words. */
const valued: Readonly<Record<string, string>> = { c: "context", H: "host", l: "log-level" }
const valuedWords = ["config", "context", "host", "log-level", "tlscacert", "tlscert", "tlskey"]

/** Separates docker's flags from purser's words. Throws `ERR_USAGE` for flags that no variable stands for. */
export function readPluginCall(words: readonly string[], env: NodeJS.ProcessEnv = {}): PluginCall {
  if (words[0] === "docker-cli-plugin-metadata")
    return { words: [], env: {}, print: `${JSON.stringify(metadata)}\n` }
  if (words[0] === "__complete" || words[0] === "__completeNoDesc") {
    const call = readPluginCall(words.slice(1), env)
    return { ...call, words: [words[0], ...call.words] }
  }
  const flags = new Map<string, string>()
  const rest = [...words]
  while (rest[0]?.startsWith("-")) readFlag(rest, flags)
  const [first, second, ...others] = rest
  // A call without the plugin's name is not by docker, and is passed to `purser` unchanged.
  if (first === "help" && second === pluginName) return { words: [...others, "--help"], env: {} }
  if (first !== pluginName) return { words, env: {} }
  return { words: rest.slice(1), env: variablesOf(flags, env) }
}

/** Removes one flag and its value from the front. */
function readFlag(words: string[], flags: Map<string, string>): void {
  const word = words.shift() ?? ""
  const [, long, longValue] = /^--([\w-]+)(?:=([^]*))?$/.exec(word) ?? []
  if (long !== undefined) {
    flags.set(long, longValue ?? (valuedWords.includes(long) ? (words.shift() ?? "") : "true"))
    return
  }
  const short = valued[word.charAt(1)]
  if (short !== undefined) flags.set(short, word.slice(2).replace(/^=/, "") || (words.shift() ?? ""))
}

function variablesOf(flags: ReadonlyMap<string, string>, env: NodeJS.ProcessEnv): PluginCall["env"] {
  const variables: Record<string, string | undefined> = {}
  const [config, context, host] = ["config", "context", "host"].map((name) => flags.get(name))
  if (config !== undefined) variables["DOCKER_CONFIG"] = config
  // DOCKER_HOST is unset, because it would take precedence over the context of the flag.
  if (context !== undefined) Object.assign(variables, { DOCKER_CONTEXT: context, DOCKER_HOST: undefined })
  if (host !== undefined) variables["DOCKER_HOST"] = host
  if (isOn(flags.get("tls"))) variables["DOCKER_TLS"] = "1"
  if (flags.has("tlsverify")) variables["DOCKER_TLS_VERIFY"] = isOn(flags.get("tlsverify")) ? "1" : undefined
  const directory = certificateDirectory(flags, env)
  if (directory !== undefined) variables["DOCKER_CERT_PATH"] = directory
  return variables
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(?:1|t|true)$/i.test(value)
}

/** The directory of the TLS files of docker's flags. Throws `ERR_USAGE` unless all are in one directory under their usual names. */
function certificateDirectory(
  flags: ReadonlyMap<string, string>,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const given = { "ca.pem": "tlscacert", "cert.pem": "tlscert", "key.pem": "tlskey" }
  const files = Object.entries(given).flatMap(([name, flag]) => {
    const file = flags.get(flag)
    return file === undefined ? [] : [{ name, file: resolve(file) }]
  })
  const [first] = files
  if (first === undefined) return undefined
  const directory = dirname(first.file)
  if (files.every(({ name, file }) => file === join(directory, name))) return directory
  throw new PurserError(
    "ERR_USAGE",
    "docker's --tlscacert, --tlscert and --tlskey name files that purser cannot find by DOCKER_CERT_PATH",
    {
      hint: `keep them as ca.pem, cert.pem and key.pem in one directory${env["DOCKER_CERT_PATH"] === undefined ? "" : " and leave the flags out"}, or make a context of them: docker context create`,
    },
  )
}

/** Answers docker, or runs the command by `start` with the variables of docker's flags. Throws `ERR_USAGE`. */
export async function serveDocker(
  process: NodeJS.Process,
  start: (words: readonly string[]) => Promise<void>,
): Promise<void> {
  const { words, env, print } = readPluginCall(process.argv.slice(2), process.env)
  if (print !== undefined) {
    process.stdout.write(print)
    return
  }
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  endWithDocker(process)
  await start(words)
}

/**
 * Ends this process when docker ends: docker keeps a socket open, and closes it. Ignores the close after a signal, because
 * a terminal sends its signals to this process too.
 */
function endWithDocker(process: NodeJS.Process): void {
  const address = process.env["DOCKER_CLI_PLUGIN_SOCKET"]
  if (address === undefined || address === "") return
  let isTold = false
  const onSignal = (signal: NodeJS.Signals): void => {
    isTold = true
    // Exits here when there is no other listener yet, because a listener disables Node's own exit.
    if (process.listenerCount(signal) === 0) process.exit(signal === "SIGINT" ? 130 : 143)
  }
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal)
  const socket = connect({ path: address.replace(/^@/, "\0") })
  socket.on("error", () => {})
  socket.once("close", (hadError) => {
    if (!isTold && !hadError) process.kill(process.pid, "SIGTERM")
  })
  socket.resume().unref()
}
