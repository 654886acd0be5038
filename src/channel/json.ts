import { isUtf8 } from "node:buffer"
import { PurserError } from "../base/errors.ts"

/** Parses JSON from a peer, only after it is known to be UTF-8 and not nested too deeply. */

/**
 * `what` is the subject of error messages. Throws `ERR_PROTOCOL` (not UTF-8, not JSON) and `ERR_LIMIT` (deeper than
 * `depth`).
 */
export function parseJson(bytes: Buffer, depth: number, what: string): unknown {
  if (!isUtf8(bytes)) throw new PurserError("ERR_PROTOCOL", `${what} is not UTF-8`)
  if (isDeeper(bytes, depth))
    throw new PurserError("ERR_LIMIT", `${what} is nested deeper than ${depth} levels`)
  try {
    return JSON.parse(bytes.toString("utf8"))
  } catch {
    // The parser's message is left out because it quotes the text, which may be part of a secret.
    throw new PurserError("ERR_PROTOCOL", `${what} is not JSON`)
  }
}

const quoteMark = 0x22
const backslash = 0x5c
const openers = [0x5b, 0x7b]
const closers = [0x5d, 0x7d]

/**
 * Returns whether arrays and objects are nested deeper than `depth`. It counts brackets outside of strings, without
 * parsing.
 */
export function isDeeper(bytes: Buffer, depth: number): boolean {
  // A fast check first, because nearly every frame has no more than `depth` brackets.
  if (!hasMore(bytes, depth)) return false
  let level = 0
  let inString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    if (inString) {
      if (byte === backslash) at++
      else if (byte === quoteMark) inString = false
    } else if (byte === quoteMark) inString = true
    else if (openers.includes(byte)) {
      if (++level > depth) return true
    } else if (closers.includes(byte)) level--
  }
  return false
}

/** Returns whether the bytes hold more than `count` opening brackets, in strings or not. */
function hasMore(bytes: Buffer, count: number): boolean {
  let found = 0
  for (const opener of openers) {
    for (let at = bytes.indexOf(opener); at !== -1; at = bytes.indexOf(opener, at + 1)) {
      if (++found > count) return true
    }
  }
  return false
}
