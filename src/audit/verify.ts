import { createReadStream } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { digestOf, isDigest, type Digest } from "../base/digest.ts"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { emptyHash, missingPart, type AuditHead } from "./audit-log.ts"

/** The number and hash of a line that were kept elsewhere. */
export interface ExpectedHead {
  readonly seq: number
  readonly hash: Digest
}

export interface VerifyOptions {
  file: string
  /** Reads the head. Called before and after the file is read, because an agent may be appending. */
  readHead: () => AuditHead
  expect?: ExpectedHead
  /** The time to wait for committed lines that a running agent is still writing. Default 1000. */
  patienceMs?: number
}

/** Reads `SEQ:HASH`. Throws `ERR_USAGE`. */
export function parseExpected(text: string): ExpectedHead {
  const [, seq, hash] = /^(\d{1,15}):(.+)$/.exec(text) ?? []
  if (seq === undefined || !isDigest(hash)) {
    throw new PurserError("ERR_USAGE", "cannot read the expected head", {
      hint: "write SEQ:sha256:HEX, as the agent logs it every hour",
    })
  }
  return { seq: Number(seq), hash }
}

/** The limit of a line in bytes, so that a damaged file is not read into memory. Real lines hold at most a frame of 64 KiB. */
const maxLineBytes = 1024 * 1024

/** The pause between two attempts while the end of the file is missing. */
const pauseMs = 50

/** Verifies the file against its chain and the head. Resolves with the last line's number and hash. Throws `ERR_AUDIT`, which names the line and its fault. */
export async function verifyAuditLog(options: VerifyOptions, signal: AbortSignal): Promise<ExpectedHead> {
  const until = performance.now() + (options.patienceMs ?? 1000)
  for (;;) {
    try {
      return await verifyOnce(options)
    } catch (error) {
      if (!(error instanceof Unfinished) || performance.now() >= until) throw error
      await delay(pauseMs, undefined, { signal })
    }
  }
}

/** Thrown when the file lacks only bytes that a running agent or a crash may have left unwritten. */
class Unfinished extends PurserError {}

async function verifyOnce({ file, readHead, expect }: VerifyOptions): Promise<ExpectedHead> {
  const before = readHead()
  let seq = 0
  let hash = emptyHash
  let atBefore = before.seq === 0 ? emptyHash : undefined
  let atExpected = expect?.seq === 0 ? emptyHash : undefined
  let bytes = 0
  for await (const { line, isWhole } of linesOf(file)) {
    bytes += line.length + 1
    if (!isWhole) throw torn(file, { seq: seq + 1, line, endsAt: bytes - 1 }, before)
    checkLine(file, line, seq + 1, hash)
    seq++
    hash = digestOf(line)
    if (seq === before.seq) atBefore = hash
    if (seq === expect?.seq) atExpected = hash
  }
  if (atBefore === undefined && missingPart(before, bytes).length > 0) {
    throw new Unfinished("ERR_AUDIT", `${file} was cut by a crash after line ${seq}`, {
      hint: "the next start of the agent completes it",
    })
  }
  if (atBefore === undefined) throw damage(`${file} was cut: it ends at line ${seq} of ${before.seq}`)
  const after = readHead()
  if (seq > after.seq) throw damage(`line ${after.seq + 1} of ${file} was not written by Purser`)
  if (atBefore !== before.hash || (seq === after.seq && hash !== after.hash)) {
    const known = atBefore === before.hash ? after : before
    throw damage(
      `line ${known.seq} of ${file} does not match the state database: it was changed, or the log was rewritten`,
    )
  }
  if (expect !== undefined && atExpected !== expect.hash) {
    throw new PurserError("ERR_AUDIT", `line ${expect.seq} of ${file} is not the expected one`, {
      hint: seq < expect.seq ? `the log has only ${seq} lines` : undefined,
    })
  }
  return { seq, hash }
}

function damage(message: string): PurserError {
  return new PurserError("ERR_AUDIT", message)
}

function checkLine(file: string, line: Buffer, seq: number, previous: Digest): void {
  const entry = entryOf(line)
  if (entry === undefined) throw damage(`line ${seq} of ${file} is damaged: it is not a JSON object`)
  if (entry.seq !== seq) {
    throw damage(
      `line ${seq} of ${file} is missing or out of order: found ${typeof entry.seq === "number" ? `line ${entry.seq}` : "a line without a number"}`,
    )
  }
  if (entry.previous !== previous) {
    throw damage(
      seq === 1
        ? `line 1 of ${file} was changed: it does not begin the log`
        : `line ${seq - 1} of ${file} was changed: line ${seq} holds another hash of it`,
    )
  }
}

function entryOf(line: Buffer): { seq?: unknown; previous?: unknown } | undefined {
  try {
    const entry: unknown = JSON.parse(line.toString("utf8"))
    return typeof entry === "object" && entry !== null ? entry : undefined
  } catch {
    return undefined
  }
}

/** The error for an incomplete last line. `endsAt` is the size of the file in bytes. */
function torn(
  file: string,
  { seq, line, endsAt }: { seq: number; line: Buffer; endsAt: number },
  { sizeBytes, pending }: AuditHead,
): PurserError {
  const message = `line ${seq} of ${file} is torn`
  // Compared as bytes, because a crash may cut within a character.
  const batch = Buffer.from(pending)
  const written = batch.subarray(0, Math.max(0, endsAt - (sizeBytes - batch.length)))
  if (line.length <= written.length && written.subarray(-line.length).equals(line)) {
    return new Unfinished("ERR_AUDIT", message, {
      hint: "a crash cut it; the next start of the agent completes it",
    })
  }
  return new PurserError("ERR_AUDIT", message, {
    hint: "no crash can cause this: it is not the start of a line that was being written",
  })
}

async function* linesOf(file: string): AsyncGenerator<{ line: Buffer; isWhole: boolean }> {
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield { line: rest.subarray(0, end), isWhole: true }
        rest = rest.subarray(end + 1)
      }
      // Longer than any line of an audit log.
      if (rest.length > maxLineBytes) break
    }
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return
    if (error instanceof PurserError) throw error
    throw new PurserError("ERR_AUDIT", `cannot read ${file}: ${reasonOf(error)}`, { cause: error })
  }
  if (rest.length > 0) yield { line: rest, isWhole: false }
}
