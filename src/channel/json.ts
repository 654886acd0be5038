import { isUtf8 } from "node:buffer"
import { PurserError } from "../base/errors.ts"

/** JSON of a peer's: nothing is parsed before it is known to be UTF-8 and flat enough. */

/** Throws `ERR_PROTOCOL` (not UTF-8, not JSON) and `ERR_LIMIT` (deeper than `depth`). `what` names it in messages. */
export function parseJson(bytes: Buffer, depth: number, what: string): unknown {
  if (!isUtf8(bytes)) throw new PurserError("ERR_PROTOCOL", `${what} is not UTF-8`)
  if (isDeeper(bytes, depth))
    throw new PurserError("ERR_LIMIT", `${what} is nested deeper than ${depth} levels`)
  try {
    return JSON.parse(bytes.toString("utf8"))
  } catch {
    // The reason would quote the text, which may be part of a secret.
    throw new PurserError("ERR_PROTOCOL", `${what} is not JSON`)
  }
}

const quoteMark = 0x22
const backslash = 0x5c
const openers = [0x5b, 0x7b]
const closers = [0x5d, 0x7d]

/** Whether arrays and objects are nested deeper than `depth`, counted on the bytes; strings do not count. */
export function isDeeper(bytes: Buffer, depth: number): boolean {
  // Nearly every frame has fewer brackets than levels, and most are one long string without any.
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

/** Whether more than `count` opening brackets stand anywhere. */
function hasMore(bytes: Buffer, count: number): boolean {
  let found = 0
  for (const opener of openers) {
    for (let at = bytes.indexOf(opener); at !== -1; at = bytes.indexOf(opener, at + 1)) {
      if (++found > count) return true
    }
  }
  return false
}
