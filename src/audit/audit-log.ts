import { createHmac } from "node:crypto"
import { closeSync, constants, fsyncSync, fstatSync, openSync, writeSync } from "node:fs"
import { digestOf, type Digest } from "../base/digest.ts"
import { PurserError, reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { AuditEvent } from "./events.ts"

/**
 * The audit log: one line a decision, each with its number and the hash of the
 * line before. The head (number and hash of the last line) is kept in another
 * place, so that a cut tail shows. Nothing in it lets a secret be guessed.
 *
 * A batch of lines is committed together with the new head first and written to
 * the file then, both under one lock of the head store: whoever comes next
 * completes what a crash left, and a line that nobody committed is a forgery.
 */

export interface AuditHead {
  /** Number of the last line; 0 before the first. */
  readonly seq: number
  /** SHA-256 of the last line without its newline. */
  readonly hash: Digest
  /** The size of the file with all lines. */
  readonly sizeBytes: number
  /** The last batch, which a crash may have kept out of the file. */
  readonly pending: string
}

/** The place of the head: the state database. */
export interface HeadStore {
  read(): AuditHead
  /** Runs `work` while no other process has the head; what it returns is durable when this returns. */
  update(work: (head: AuditHead) => AuditHead): void
}

export interface AuditLog extends AsyncDisposable {
  /** Resolves when the line is on disk. */
  append(event: AuditEvent): Promise<void>
  /** Tells contents apart without letting anybody guess them: HMAC-SHA256 under a key of the state directory, in hex. */
  contentTag(content: Secret): string
  /** `SEQ:HASH`, to be kept elsewhere for `purser audit verify --expect`. */
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

/** Deliveries run side by side, and their lines share a write and its sync. A lone line never waits for others. */
const togetherMs = 20

/** Stands for the hash of the line before the first. */
export const emptyHash: Digest = `sha256:${"0".repeat(64)}`

export const firstHead: AuditHead = { seq: 0, hash: emptyHash, sizeBytes: 0, pending: "" }

/** Completes what an earlier process left. Throws `ERR_STATE` when the file cannot be written. */
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
    settleAlone()
  } catch (error) {
    closeSync(descriptor)
    throw cannotWrite(file, error)
  }

  /** Brings the file to where the head says it is. */
  function settle(head: AuditHead): void {
    let missing = missingPart(head, fstatSync(descriptor).size)
    if (missing.length === 0) return
    // A disk that is nearly full takes a part, and says so at the next attempt.
    while (missing.length > 0) missing = missing.subarray(writeSync(descriptor, missing))
    fsyncSync(descriptor)
  }

  /** Under the lock: of two processes that find the same part missing, only one may write it. */
  function settleAlone(): void {
    heads.update((head) => {
      settle(head)
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
        settle(head)
        return withLines(
          head,
          fstatSync(descriptor).size,
          batch.map(({ event }) => event),
          now(),
        )
      })
      settleAlone()
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
      if (queue.length === 0) setTimeout(flush, Math.max(0, flushed + togetherMs - performance.now()))
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

/** The part of the last batch that a file of this size lacks. A file that somebody cut or added to gets nothing: `verify` tells. */
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
