import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"

/**
 * The part of tar that the engine's archive calls need: POSIX ustar, and also GNU's and pax's long names when reading.
 */

export interface TarFile {
  /** A relative path of at most 255 bytes, whose last part has at most 100. */
  readonly name: string
  /** Default: file. The content of a directory must be empty. */
  readonly type?: "file" | "directory"
  readonly content: Uint8Array
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export interface TarEntry {
  readonly name: string
  readonly type: "file" | "directory" | "link" | "other"
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** The target of a symbolic or hard link, else empty. */
  readonly linkName: string
  /** Empty for an entry that is not a file. */
  readonly content: Buffer
}

const blockBytes = 512
const encoder = new TextEncoder()

/** Writes a tar. Throws a TypeError for a name that does not fit, because the caller chooses the names. */
export function writeTar(files: readonly TarFile[]): Buffer {
  const now = Math.floor(Date.now() / 1000)
  const parts: Uint8Array[] = []
  for (const file of files) {
    const padding = -file.content.byteLength & (blockBytes - 1)
    parts.push(headerOf(file, now), file.content, Buffer.alloc(padding))
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)])
}

function headerOf({ name, type = "file", content, mode, uid, gid }: TarFile, mtime: number): Buffer {
  const header = Buffer.alloc(blockBytes)
  const { prefix, base } = splitName(name)
  header.set(base, 0)
  const octal = (value: number, at: number, digits: number): void => {
    const text = value.toString(8).padStart(digits, "0")
    if (value < 0 || text.length > digits) throw new TypeError(`${value} does not fit into a tar header`)
    header.write(text, at, "ascii")
  }
  octal(mode, 100, 7)
  octal(uid, 108, 7)
  octal(gid, 116, 7)
  octal(content.byteLength, 124, 11)
  octal(mtime, 136, 11)
  header.write(type === "directory" ? "5" : "0", 156, "ascii")
  header.write("ustar\0" + "00", 257, "ascii")
  header.set(prefix, 345)
  octal(checksumOf(header), 148, 6)
  header.write("\0 ", 154, "ascii")
  return header
}

function splitName(name: string): { prefix: Uint8Array; base: Uint8Array } {
  const isRelative = name !== "" && name.split("/").every((part) => !["", ".", ".."].includes(part))
  const slashes = [-1, ...Array.from(name.matchAll(/\//g), ({ index }) => index)]
  for (const at of slashes) {
    const prefix = encoder.encode(at < 0 ? "" : name.slice(0, at))
    const base = encoder.encode(name.slice(at + 1))
    if (isRelative && !name.includes("\0") && prefix.byteLength <= 155 && base.byteLength <= 100) {
      return { prefix, base }
    }
  }
  throw new TypeError(`${quote(name)} does not fit into a tar header`)
}

/** Returns the sum of all bytes, with the checksum field counted as spaces. */
function checksumOf(header: Uint8Array): number {
  return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0)
}

/** Reads all entries. Throws `ERR_DOCKER` for a broken or incomplete tar. */
export function readTar(tar: Uint8Array): TarEntry[] {
  const bytes = Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength)
  const entries: TarEntry[] = []
  let overrides: { path?: string; linkpath?: string; size?: number } = {}
  for (let at = 0; ;) {
    const header = bytes.subarray(at, at + blockBytes)
    if (header.byteLength < blockBytes) throw broken("it ends too early")
    if (header.every((byte) => byte === 0)) return entries
    if (checksumOf(header) !== number(header, 148, 8)) throw broken("a checksum is wrong")
    const flag = String.fromCharCode(header[156] ?? 0)
    const size = overrides.size ?? number(header, 124, 12)
    const start = at + blockBytes
    const content = bytes.subarray(start, start + (flag >= "1" && flag <= "6" ? 0 : size))
    if ((flag < "1" || flag > "6") && content.byteLength < size) throw broken("it ends too early")
    at = start + content.byteLength + (-content.byteLength & (blockBytes - 1))
    if (flag === "L") overrides = { ...overrides, path: text(content, 0, size) }
    else if (flag === "K") overrides = { ...overrides, linkpath: text(content, 0, size) }
    else if (flag === "x") overrides = { ...overrides, ...paxOf(content) }
    else if (flag !== "g") {
      entries.push(entryOf(header, flag, content, overrides))
      overrides = {}
    }
  }
}

function entryOf(
  header: Buffer,
  flag: string,
  content: Buffer,
  overrides: { path?: string; linkpath?: string },
): TarEntry {
  const isUstar = header.toString("latin1", 257, 263) === "ustar\0"
  const prefix = isUstar ? text(header, 345, 155) : ""
  const base = text(header, 0, 100)
  const isFile = flag === "0" || flag === "\0" || flag === "7"
  return {
    name: overrides.path ?? (prefix === "" ? base : `${prefix}/${base}`),
    type: isFile ? "file" : flag === "5" ? "directory" : flag === "1" || flag === "2" ? "link" : "other",
    mode: number(header, 100, 8) & 0o7777,
    uid: number(header, 108, 8),
    gid: number(header, 116, 8),
    size: content.byteLength,
    linkName: overrides.linkpath ?? text(header, 157, 100),
    content: isFile ? content : Buffer.alloc(0),
  }
}

function text(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.toString("utf8", 0, end < 0 ? field.byteLength : end)
}

/** Reads a number: octal digits, or GNU's binary form for a number that is too large for them. */
function number(header: Buffer, at: number, length: number): number {
  const field = header.subarray(at, at + length)
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
    if ((field[0] ?? 0) !== 0x80 || !Number.isSafeInteger(value)) throw broken("a number is too large")
    return value
  }
  const digits = text(header, at, length).trim()
  if (!/^[0-7]*$/.test(digits)) throw broken("a number cannot be read")
  return digits === "" ? 0 : Number.parseInt(digits, 8)
}

/** Parses records of `LENGTH KEY=VALUE\n`, where the length counts the whole record. */
function paxOf(content: Buffer): { path?: string; linkpath?: string; size?: number } {
  const found: { path?: string; linkpath?: string; size?: number } = {}
  for (let at = 0; at < content.byteLength;) {
    const space = content.indexOf(0x20, at)
    const length = space < 0 ? 0 : Number(content.toString("latin1", at, space))
    const record = content.toString("utf8", space + 1, at + length - 1)
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(record) ?? []
    if (
      !Number.isSafeInteger(length) ||
      at + length > content.byteLength ||
      length <= space - at ||
      value === undefined
    ) {
      throw broken("an extended header cannot be read")
    }
    if (key === "path") found.path = value
    if (key === "linkpath") found.linkpath = value
    if (key === "size") {
      if (!/^\d{1,15}$/.test(value)) throw broken("a number cannot be read")
      found.size = Number(value)
    }
    at += length
  }
  return found
}

function broken(why: string): PurserError {
  return new PurserError("ERR_DOCKER", `the engine's archive is not a valid tar: ${why}`)
}
