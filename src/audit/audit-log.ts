import { createHmac } from "node:crypto"
import { closeSync, constants, fsyncSync, fstatSync, openSync, writeSync } from "node:fs"
import { digestOf, type Digest } from "../base/digest.ts"
import { PurserError, reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { AuditEvent } from "./events.ts"

/**
 * The audit log: one line for each decision, with its number and the hash of the
 * previous line. The head (number and hash of the last line) is kept in another
 * place, so that a truncated file is detected. No line holds anything from which
 * a secret could be guessed.
 *
 * A batch of lines is first committed to the head store, together with the new
 * head, and then written to the file, both under the store's lock. After a crash
 * the next process writes the committed lines that the file lacks. A line that
 * was never committed is a forgery.
 */

export interface AuditHead {
  /** The number of the last line; 0 while there is none. */
  readonly seq: number
  /** The SHA-256 of the last line without its newline. */
  readonly hash: Digest
  /** The size of the file once it holds every committed line. */
  readonly sizeBytes: number
  /** The text of the last batch, some of which the file may lack after a crash. */
  readonly pending: string
}

/** Stores the head: the state database. */
export interface HeadStore {
  read(): AuditHead
  /** Runs `work` under a lock against other processes, and stores the head that it returns durably. */
  update(work: (head: AuditHead) => AuditHead): void
}

export interface AuditLog extends AsyncDisposable {
  /** Resolves when the line is on disk. */
  append(event: AuditEvent): Promise<void>
  /** The HMAC-SHA256 of the content under a key of the state directory, in hex: tells contents apart, and cannot be used to guess them. */
  contentTag(content: Secret): string
  /** The head as `SEQ:HASH`, to be kept elsewhere for `purser audit verify --expect`. */
  head(): string
}

export interface AuditLogOptions {
  file: string
  heads: HeadStore
  /** 32 secret bytes of this state directory. */
  contentKey: () => Uint8Array
  log: Log
  now?: () => Date
}

/** The shortest time between two writes, so that concurrent deliveries share a write and its sync. A line after a pause is written at once. */
const batchMs = 20

/** The `previous` hash of the first line. */
export const emptyHash: Digest = `sha256:${"0".repeat(64)}`

export const firstHead: AuditHead = { seq: 0, hash: emptyHash, sizeBytes: 0, pending: "" }

/** Opens the log, and writes the committed lines that an earlier process did not. Throws `ERR_STATE` when the file cannot be written. */
export function openAuditLog({
  file,
  heads,
  contentKey,
  log,
  now = () => new Date(),
}: AuditLogOptions): AuditLog {
  const descriptor = openFile(file)
  let queue: { event: AuditEvent; done: PromiseWithResolvers<void> }[] = []
  let closed = false
  let flushed = Number.NEGATIVE_INFINITY
  try {
    completeUnderLock()
  } catch (error) {
    closeSync(descriptor)
    throw cannotWrite(file, error)
  }

  /** Appends the committed bytes that the file lacks. */
  function complete(head: AuditHead): void {
    let missing = missingPart(head, fstatSync(descriptor).size)
    if (missing.length === 0) return
    // A nearly full disk takes a part of the bytes, and fails at the next write.
    while (missing.length > 0) missing = missing.subarray(writeSync(descriptor, missing))
    fsyncSync(descriptor)
  }

  /** Completes the file under the lock, because of two processes that miss the same part only one may write it. */
  function completeUnderLock(): void {
    heads.update((head) => {
      complete(head)
      return head
    })
  }

  function flush(): void {
    const batch = queue
    queue = []
    if (batch.length === 0) return
    flushed = performance.now()
    try {
      heads.update((head) => {
        complete(head)
        return withLines(
          head,
          fstatSync(descriptor).size,
          batch.map(({ event }) => event),
          now(),
        )
      })
      completeUnderLock()
      for (const { done } of batch) done.resolve()
    } catch (error) {
      const failure = cannotWrite(file, error)
      log.error(failure.message)
      for (const { done } of batch) done.reject(failure)
    }
  }

  return {
    async append(event) {
      if (closed) throw new TypeError("the audit log is closed")
      const done = Promise.withResolvers<void>()
      if (queue.length === 0) setTimeout(flush, Math.max(0, flushed + batchMs - performance.now()))
      queue.push({ event, done })
      await done.promise
    },
    contentTag: (content) => createHmac("sha256", contentKey()).update(content.reveal()).digest("hex"),
    head() {
      const { seq, hash } = heads.read()
      return `${seq}:${hash}`
    },
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      if (queue.length > 0) flush()
      closeSync(descriptor)
    },
  }
}

function cannotWrite(file: string, error: unknown): PurserError {
  if (error instanceof PurserError) return error
  return new PurserError("ERR_STATE", `cannot write the audit log ${file}: ${reasonOf(error)}`, {
    cause: error,
  })
}

/**
 * The part of the last batch that a file of this size lacks. Empty for a file that is shorter or longer than a crash can
 * leave it; `purser audit verify` reports that.
 */
export function missingPart({ sizeBytes, pending }: AuditHead, fileBytes: number): Buffer {
  const bytes = Buffer.from(pending)
  const written = fileBytes - (sizeBytes - bytes.length)
  return bytes.subarray(written >= 0 ? written : bytes.length)
}

function withLines(head: AuditHead, fileBytes: number, events: readonly AuditEvent[], time: Date): AuditHead {
  let { seq, hash } = head
  const lines: string[] = []
  for (const event of events) {
    const line = JSON.stringify({ seq: ++seq, time: time.toISOString(), previous: hash, ...event })
    hash = digestOf(Buffer.from(line))
    lines.push(`${line}\n`)
  }
  const pending = lines.join("")
  return { seq, hash, sizeBytes: fileBytes + Buffer.byteLength(pending), pending }
}

function openFile(file: string): number {
  try {
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT
    return openSync(file, process.platform === "win32" ? flags : flags | constants.O_NOFOLLOW, 0o600)
  } catch (error) {
    throw new PurserError("ERR_STATE", `cannot open the audit log ${file}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}
