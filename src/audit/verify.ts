import { createReadStream } from "node:fs"
import { digestOf, isDigest, type Digest } from "../base/digest.ts"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { emptyHash, missingPart, type AuditHead } from "./audit-log.ts"

/** A place in the chain that was written down elsewhere. */
export interface Expected {
  readonly seq: number
  readonly hash: Digest
}

export interface VerifyOptions {
  file: string
  /** Reads the head; asked before and after, since an agent may be writing. */
  readHead: () => AuditHead
  expect?: Expected
}

/** `SEQ:HASH`. Throws `ERR_USAGE`. */
export function parseExpected(text: string): Expected {
  const [, seq, hash] = /^(\d{1,15}):(.+)$/.exec(text) ?? []
  if (seq === undefined || !isDigest(hash)) {
    throw new PurserError("ERR_USAGE", "cannot read what is to be expected", {
      hint: "write SEQ:sha256:HEX, as the agent logs it every hour",
    })
  }
  return { seq: Number(seq), hash }
}

/** Resolves with the last line's number and hash. Throws `ERR_AUDIT`, which names the line and what is wrong with it. */
export async function verifyAuditLog({ file, readHead, expect }: VerifyOptions): Promise<Expected> {
  const before = readHead()
  let seq = 0
  let hash = emptyHash
  let atBefore = before.seq === 0 ? emptyHash : undefined
  let atExpected: Digest | undefined
  let bytes = 0
  for await (const { line, isWhole } of linesOf(file)) {
    bytes += line.length + 1
    if (!isWhole) throw torn(file, seq + 1, line, before)
    checkLine(file, line, seq + 1, hash)
    seq++
    hash = digestOf(line)
    if (seq === before.seq) atBefore = hash
    if (seq === expect?.seq) atExpected = hash
  }
  if (atBefore === undefined && missingPart(before, bytes).length > 0) {
    throw new PurserError("ERR_AUDIT", `${file} was cut by a crash after line ${seq}`, {
      hint: "the next start of the agent completes it",
    })
  }
  if (atBefore === undefined) {
    throw new PurserError(
      "ERR_AUDIT",
      `${file} was cut: it ends with line ${seq}, and there were ${before.seq}`,
    )
  }
  if (atBefore !== before.hash) {
    throw new PurserError(
      "ERR_AUDIT",
      `line ${before.seq} of ${file} is not the one that the state database knows: it was changed, or the log was written anew`,
    )
  }
  if (seq > readHead().seq)
    throw new PurserError("ERR_AUDIT", `line ${before.seq + 1} of ${file} was added by somebody else`)
  if (expect !== undefined && atExpected !== expect.hash) {
    throw new PurserError("ERR_AUDIT", `line ${expect.seq} of ${file} is not the expected one`, {
      hint: seq < expect.seq ? `it has only ${seq} lines` : undefined,
    })
  }
  return { seq, hash }
}

function checkLine(file: string, line: Buffer, seq: number, previous: Digest): void {
  let entry: { seq?: unknown; previous?: unknown }
  try {
    entry = JSON.parse(line.toString("utf8")) as typeof entry
  } catch {
    throw new PurserError("ERR_AUDIT", `line ${seq} of ${file} is damaged: it is not JSON`)
  }
  if (entry.seq !== seq) {
    throw new PurserError(
      "ERR_AUDIT",
      `line ${seq} of ${file} is missing or out of order: line ${String(entry.seq)} stands there`,
    )
  }
  if (entry.previous !== previous) {
    throw new PurserError(
      "ERR_AUDIT",
      `line ${seq === 1 ? 1 : seq - 1} of ${file} was changed: line ${seq} holds another hash of it`,
    )
  }
}

function torn(file: string, seq: number, line: Buffer, head: AuditHead): PurserError {
  const isOurs = head.pending.split("\n").some((whole) => whole.startsWith(line.toString("utf8")))
  return new PurserError("ERR_AUDIT", `line ${seq} of ${file} is torn`, {
    hint: isOurs
      ? "a crash did that; the next start of the agent completes it"
      : "it is not the beginning of a line that was being written",
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
    }
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return
    if (error instanceof PurserError) throw error
    throw new PurserError("ERR_AUDIT", `cannot read ${file}: ${reasonOf(error)}`, { cause: error })
  }
  if (rest.length > 0) yield { line: rest, isWhole: false }
}
