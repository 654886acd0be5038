import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"

/** Reads the docker command's own files: the name of the current context, and a context's address and certificates. */

export function configDirectory(env: NodeJS.ProcessEnv, home: string): string {
  return env["DOCKER_CONFIG"] || join(home, ".docker")
}

/** Returns the current context's name, or undefined if none is set. Throws `ERR_CONFIG`. */
export async function currentContext(directory: string): Promise<string | undefined> {
  const file = join(directory, "config.json")
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  const name = field(parse(file, text.toString("utf8")), "currentContext")
  return typeof name === "string" && name !== "" ? name : undefined
}

export interface PemFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

/** Returns address and certificates of a context other than `default`. Throws `ERR_CONFIG`. */
export async function contextEndpoint(
  directory: string,
  name: string,
): Promise<{ host: string; tls: (PemFiles & { skipVerify: boolean }) | undefined }> {
  const id = createHash("sha256").update(name).digest("hex")
  const file = join(directory, "contexts", "meta", id, "meta.json")
  const text = await readIfThere(file)
  if (text === undefined) {
    throw new PurserError("ERR_CONFIG", `there is no docker context ${quote(name)}`, {
      hint: "docker context ls lists them; DOCKER_CONTEXT or docker context use NAME chooses one",
    })
  }
  const endpoint = field(field(parse(file, text.toString("utf8")), "Endpoints"), "docker")
  const host = field(endpoint, "Host")
  if (typeof host !== "string" || host === "") {
    throw new PurserError("ERR_CONFIG", `the docker context ${quote(name)} names no engine`, {
      hint: `look at ${file}`,
    })
  }
  const files = await readTlsFiles(join(directory, "contexts", "tls", id, "docker"))
  const skipVerify = field(endpoint, "SkipTLSVerify") === true
  const isTls = skipVerify || Object.keys(files).length > 0
  return { host, tls: isTls ? { ...files, skipVerify } : undefined }
}

/**
 * Reads ca.pem, cert.pem and key.pem as far as they exist. Throws `ERR_CONFIG`, also for a certificate without its key.
 */
export async function readTlsFiles(directory: string): Promise<PemFiles> {
  const [ca, cert, key] = await Promise.all(
    ["ca.pem", "cert.pem", "key.pem"].map((name) => readIfThere(join(directory, name))),
  )
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ["key.pem", "cert.pem"] : ["cert.pem", "key.pem"]
    throw new PurserError("ERR_CONFIG", `${directory} has a ${there} but no ${missing}`)
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT" || systemErrorCode(error) === "ENOTDIR") return undefined
    throw new PurserError("ERR_CONFIG", `${file} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message is left out because it quotes the text, and config.json may hold registry passwords.
    throw new PurserError("ERR_CONFIG", `${file} is not JSON`)
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
