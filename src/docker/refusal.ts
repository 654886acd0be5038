import { PurserError, reasonOf, systemErrorCode, type ErrorCode } from "../base/errors.ts"
import { escapeForTerminal } from "../base/escape.ts"
import type { Endpoint } from "./endpoint.ts"

/** Turns the engine's error responses and failed connections into our errors, each with a hint. */

const maxMessageChars = 500

/** The cause of an error that stands for the engine's error response. */
class Refusal extends Error {
  override readonly name = "Refusal"
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Returns the HTTP status of the error response behind `error`, or undefined if there was no response. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof PurserError && error.cause instanceof Refusal ? error.cause.status : undefined
}

/** Returns the error for an error response. `body` is JSON with a `message`, or any other text. */
export function refusal(call: string, status: number, body: string): PurserError {
  const message = escapeForTerminal(messageIn(body)).slice(0, maxMessageChars) || `status ${status}`
  const { code, hint } = kindOf(status, message)
  return new PurserError(code, `the engine refused ${call}: ${message}`, {
    hint,
    cause: new Refusal(status, message),
  })
}

function kindOf(status: number, message: string): { code: ErrorCode; hint?: string } {
  if (status === 404 && /no such container/i.test(message)) {
    return { code: "ERR_NO_SUCH_CONTAINER", hint: "docker ps --all lists the containers" }
  }
  if (status === 404 && /no such image/i.test(message)) return { code: "ERR_NO_SUCH_IMAGE" }
  if (/\bis paused\b/i.test(message)) {
    return { code: "ERR_CONTAINER_PAUSED", hint: "resume it: docker unpause CONTAINER" }
  }
  if (status >= 400 && /\bis (?:not running|restarting)\b/i.test(message)) {
    return { code: "ERR_NOT_RUNNING", hint: "start it: docker start CONTAINER" }
  }
  if (status === 400 && /HTTP request to an HTTPS server/i.test(message)) {
    return { code: "ERR_DOCKER", hint: "the engine speaks TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH" }
  }
  return { code: "ERR_DOCKER" }
}

function messageIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === "object" && parsed !== null && "message" in parsed) return String(parsed.message)
  } catch {
    // The body is a proxy's page or empty.
  }
  return body.trim()
}

/** Returns the error for a failed connection, with the likely reason as its hint. */
export function unreachable(endpoint: Endpoint, error: unknown): PurserError {
  if (error instanceof PurserError) return error
  const code = systemErrorCode(error)
  if (code?.startsWith("HPE_") === true) {
    return new PurserError("ERR_DOCKER", `the server at ${endpoint.address} is not a container engine`, {
      cause: error,
      hint: hintFor(endpoint, code),
    })
  }
  const reason = code === "ECONNRESET" ? "the connection was closed" : reasonOf(error)
  return new PurserError(
    "ERR_DOCKER_UNREACHABLE",
    `the engine at ${endpoint.address} cannot be reached: ${reason}`,
    { cause: error, hint: hintFor(endpoint, code) },
  )
}

function hintFor(endpoint: Endpoint, code: string | undefined): string | undefined {
  if (endpoint.kind === "unix" || endpoint.kind === "npipe") {
    if (code === "EACCES" || code === "EPERM") {
      return "this user may not use the socket: run it as root, or usermod -aG docker USER and log in again"
    }
    if (code === "ENOENT" || code === "ECONNREFUSED") {
      return "no engine is running there: start it (systemctl start docker), or name another by DOCKER_HOST or docker context use"
    }
    return undefined
  }
  if (endpoint.kind === "tcp") {
    if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "check the host name"
    if (code === "ECONNREFUSED")
      return "no engine listens there: check host and port, and the engine's --host"
    if (endpoint.tls === undefined) {
      return "if the engine speaks TLS, set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
    }
    return "check ca.pem, cert.pem and key.pem of DOCKER_CERT_PATH or of the docker context"
  }
  return undefined
}
