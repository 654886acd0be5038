/**
 * Every error that Purser raises on purpose. A caller's own programming mistake
 * is a `TypeError`; everything a user, a peer or the machine can cause is a
 * `PurserError` with a code out of one table, from which the exit codes, later
 * the HTTP statuses, and `docs/errors.md` are made.
 */

interface ErrorKind {
  /** Process exit code of a command that ends with this error. */
  readonly exit: number
  /** One line for `docs/errors.md`. */
  readonly about: string
}

/** Exit codes: 1 something failed, 2 bad usage or configuration, 3 refused, 4 not reachable, 5 in use by another. */
export const errorKinds = {
  ERR_USAGE: {
    exit: 2,
    about: "the command line asks for something that does not exist or does not fit together",
  },
  ERR_CONFIG: { exit: 2, about: "the configuration file has an unknown key, a wrong type or a wrong value" },
  ERR_NAME: { exit: 2, about: "the name of a secret, app or node does not follow the grammar" },
  ERR_FILE_LINE: { exit: 2, about: "a file line (NAME path=… mode=… owner=…) cannot be read" },
  ERR_RELOAD_SPEC: {
    exit: 2,
    about: "a reload is neither a signal, restart, exec:COMMAND nor http:URL, or does not fit its target",
  },
  ERR_ADDRESS: { exit: 2, about: "an address, CIDR or host name cannot be read" },
  ERR_ENROLMENT: {
    exit: 2,
    about: "an enrolment string is damaged, or lacks what its app's trust mode needs",
  },
  ERR_IDENTITY: { exit: 2, about: "an identity file is damaged or can be read by others" },
  ERR_STATE: { exit: 1, about: "the state directory cannot be used, or holds data that cannot be read" },
  ERR_LOCKED: { exit: 5, about: "another process holds the lock" },
  ERR_SECRET_MISSING: { exit: 1, about: "no source gives this secret" },
  ERR_SECRET_TOO_LARGE: { exit: 1, about: "a secret is larger than the limit" },
  ERR_SOURCE: { exit: 1, about: "a source could not be read" },
  ERR_STORE: { exit: 1, about: "Purser's own store of secrets could not be opened, decrypted or written" },
  ERR_NOT_GRANTED: { exit: 3, about: "the app is not granted this secret or action" },
  ERR_UNTRUSTED: { exit: 3, about: "the peer's identity or proof does not hold" },
  ERR_REFUSED: { exit: 3, about: "the peer refused us" },
  ERR_PROTOCOL: { exit: 1, about: "the peer broke the protocol: a frame of the wrong size, shape or order" },
  ERR_DIGEST: { exit: 1, about: "content arrived that differs from what was announced" },
  ERR_LIMIT: { exit: 1, about: "a limit of time, size or number was reached" },
  ERR_TIMEOUT: { exit: 1, about: "something took longer than its time limit" },
  ERR_UNREACHABLE: { exit: 4, about: "an address cannot be reached, or the connection was lost" },
  ERR_LISTEN: { exit: 1, about: "an address or port cannot be listened on" },
  ERR_DISCOVERY: { exit: 4, about: "looking for nodes failed" },
  ERR_TARGET: { exit: 1, about: "a file cannot be written where it was asked for" },
  ERR_DISK: { exit: 3, about: "the target is not in memory and --require-tmpfs forbids disks" },
  ERR_RELOAD: { exit: 1, about: "files were written but the reload failed" },
  ERR_CHILD: { exit: 1, about: "the supervised command could not be started" },
  ERR_ACTION: { exit: 1, about: "an action failed at the agent" },
  ERR_DELIVERY: { exit: 1, about: "one or more deliveries failed" },
  ERR_AUDIT: { exit: 1, about: "the audit log was changed, cut or torn" },
  ERR_UNHEALTHY: { exit: 1, about: "required files are not in place" },
  ERR_DOCKER_UNREACHABLE: { exit: 4, about: "the container engine cannot be reached" },
  ERR_DOCKER: { exit: 1, about: "the container engine answered with an error" },
  ERR_NO_SUCH_CONTAINER: { exit: 1, about: "the engine has no container of this name or id" },
  ERR_NO_SUCH_IMAGE: { exit: 1, about: "the engine has no image of this name or id" },
  ERR_NOT_RUNNING: { exit: 1, about: "the container is not running" },
  ERR_CONTAINER_PAUSED: { exit: 1, about: "the container is paused, and nothing can be started in it" },
  ERR_ROUTE: { exit: 1, about: "no route into this container can work, or the one asked for cannot" },
  ERR_NOT_VERIFIED: { exit: 1, about: "read back in the container, a file was not what had been written" },
  ERR_FINDINGS: { exit: 1, about: "purser doctor found something that must be mended" },
  ERR_CA: { exit: 1, about: "there is no CA here, there is one already, or its files cannot be used" },
  ERR_CA_POLICY: { exit: 3, about: "the CA's or the app's policy does not allow this certificate" },
  ERR_CERTIFICATE: {
    exit: 1,
    about: "a certificate, a chain or a certificate request is damaged, or not what it should be",
  },
  ERR_PASSPHRASE: {
    exit: 1,
    about: "the passphrase of a CA's key is wrong or missing, or the key is damaged",
  },
  ERR_CA_INDEX: { exit: 1, about: "the index of the CA is damaged; purser ca reindex builds it anew" },
  ERR_REVOKED: { exit: 1, about: "the certificate has been revoked already" },
  ERR_CLOCK: { exit: 1, about: "the clock of this machine is before the CA's start" },
  ERR_WAITING: { exit: 1, about: "another CA has not answered the certificate request yet" },
  ERR_CHECK: {
    exit: 1,
    about: "after a reload the service did not serve the new certificate, and the files from before are back",
  },
  ERR_INTERRUPTED: { exit: 130, about: "somebody ended it before it was done" },
  ERR_INTERNAL: { exit: 70, about: "a defect of Purser; please report it" },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

export interface ErrorDetails {
  /** The next step, one line, shown after `hint:`. */
  hint?: string | undefined
  cause?: unknown
}

/** Messages: lower case, no full stop, name the object, never the value of a secret. */
export class PurserError extends Error {
  override readonly name = "PurserError"
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
  }

  get exitCode(): number {
    return errorKinds[this.code].exit
  }
}

/** True for a `PurserError`, with this code if one is given. */
export function isPurserError(error: unknown, code?: ErrorCode): error is PurserError {
  return error instanceof PurserError && (code === undefined || error.code === code)
}

/** Anything that was thrown, as one of ours: what is not is a defect, or an abort. */
export function asPurserError(error: unknown): PurserError {
  if (error instanceof PurserError) return error
  if (error instanceof Error && error.name === "TimeoutError") {
    return new PurserError("ERR_TIMEOUT", "the time limit was reached", { cause: error })
  }
  if (error instanceof Error && error.name === "AbortError") {
    return new PurserError("ERR_INTERRUPTED", "interrupted", { cause: error })
  }
  return new PurserError("ERR_INTERNAL", reasonOf(error), { cause: error })
}

/** The `code` of a Node system error (`ENOENT`, `ECONNREFUSED`), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
}

/** The message of anything that was thrown, for the end of one of our own messages. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
