import { splitHostPort } from "../base/net-address.ts"
import { join } from "node:path"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { configDirectory, contextEndpoint, currentContext, readTlsFiles } from "./context.ts"

/** The address of an engine, with everything that is needed to connect. */
export type Endpoint =
  | { readonly kind: "unix" | "npipe"; readonly address: string; readonly path: string }
  | {
      readonly kind: "tcp"
      readonly address: string
      readonly host: string
      readonly port: number
      /** Undefined for a connection without encryption. */
      readonly tls: TlsFiles | undefined
    }
  | {
      readonly kind: "ssh"
      readonly address: string
      readonly host: string
      readonly user: string | undefined
      readonly port: number | undefined
      /** The engine's socket on that host, if it is not the default one. */
      readonly path: string | undefined
    }

/** PEM files. Without `ca` the system's own authorities are trusted. */
export interface TlsFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  /**
   * Whether any server certificate is accepted, as `DOCKER_TLS` without `_VERIFY` and a context's SkipTLSVerify ask
   * for.
   */
  readonly skipVerify: boolean
}

export interface Surroundings {
  readonly host?: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly home: string
}

export const defaultAddress =
  process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock"

/**
 * Finds the endpoint in the docker command's order: `host`, DOCKER_HOST, DOCKER_CONTEXT, the current context, the
 * default socket.
 */
export async function findEndpoint({ host, env, home }: Surroundings): Promise<Endpoint> {
  const directory = configDirectory(env, home)
  const named = host ?? (env["DOCKER_HOST"] || undefined)
  if (named !== undefined) return parseEndpoint(named, await tlsOf(env, directory))
  const context = env["DOCKER_CONTEXT"] || (await currentContext(directory))
  if (context === undefined || context === "default") {
    return parseEndpoint(defaultAddress, await tlsOf(env, directory))
  }
  const found = await contextEndpoint(directory, context)
  return parseEndpoint(found.host, found.tls)
}

async function tlsOf(env: NodeJS.ProcessEnv, directory: string): Promise<TlsFiles | undefined> {
  const verify = env["DOCKER_TLS_VERIFY"] !== undefined && env["DOCKER_TLS_VERIFY"] !== ""
  const unverified = env["DOCKER_TLS"] !== undefined && env["DOCKER_TLS"] !== ""
  if (!verify && !unverified) return undefined
  const files = await readTlsFiles(env["DOCKER_CERT_PATH"] || directory)
  return { ...files, skipVerify: !verify }
}

/** Parses an engine's address; `tls` applies to a tcp address only. Throws `ERR_ADDRESS`. */
export function parseEndpoint(text: string, tls?: TlsFiles): Endpoint {
  const match = /^(?:([a-z]+):\/\/)?(.*)$/s.exec(text)
  const [, scheme = "tcp", rest = ""] = match ?? []
  if (scheme === "unix" && rest !== "") return { kind: "unix", address: text, path: rest }
  if (scheme === "npipe" && rest !== "") {
    return { kind: "npipe", address: text, path: rest.replaceAll("/", "\\") }
  }
  if (scheme === "tcp") {
    const { host, port } = parseHost(text, rest.replace(/\/$/, ""))
    return {
      kind: "tcp",
      address: `tcp://${rest}`,
      host: host || "127.0.0.1",
      port: port ?? (tls === undefined ? 2375 : 2376),
      tls,
    }
  }
  if (scheme === "ssh") return parseSsh(text, rest)
  throw notAnAddress(text)
}

function parseSsh(text: string, rest: string): Endpoint {
  const [authority = "", ...path] = rest.split("/")
  const at = authority.lastIndexOf("@")
  const user = at < 0 ? undefined : authority.slice(0, at)
  if (user?.includes(":") === true) {
    throw new PurserError("ERR_ADDRESS", "the ssh:// address of the engine holds a password", {
      hint: "use an SSH key or ssh-agent",
    })
  }
  const { host, port } = parseHost(text, authority.slice(at + 1))
  // ssh would take a leading dash for an option.
  if (host === "" || host.startsWith("-") || user === "" || user?.startsWith("-") === true) {
    throw notAnAddress(text)
  }
  const socket = path.join("/")
  return {
    kind: "ssh",
    address: text,
    host,
    user: user === undefined ? undefined : decodeURIComponent(user),
    port,
    path: socket === "" ? undefined : join("/", socket),
  }
}

/** Parses `HOST`, `HOST:PORT`, `:PORT` or `[IPv6]:PORT`. */
function parseHost(text: string, authority: string): { host: string; port: number | undefined } {
  const split = splitHostPort(authority)
  if (split === null || split.port === 0) throw notAnAddress(text)
  return { host: split.host ?? "", port: split.port }
}

function notAnAddress(text: string): PurserError {
  // The part before the @ is masked because it may hold a password.
  return new PurserError(
    "ERR_ADDRESS",
    `${quote(text.replace(/\/\/[^/]*@/, "//…@"))} is not an engine's address`,
    {
      hint: "use unix:///PATH, tcp://HOST:PORT, ssh://[USER@]HOST[:PORT] or npipe:////./pipe/NAME",
    },
  )
}
