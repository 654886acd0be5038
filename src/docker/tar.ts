/** As much of tar as the engine's archive calls need: POSIX ustar, and GNU's and pax's long names when reading. */

export interface TarFile {
  /** Relative, at most 255 bytes, the last part at most 100. */
  readonly name: string
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
  /** Target of a symbolic or hard link, else empty. */
  readonly linkName: string
  /** Empty for what is no file. */
  readonly content: Buffer
}

export function writeTar(files: readonly TarFile[]): Buffer {
  throw new Error("not yet")
}

/** Throws `ERR_DOCKER` for what is not a whole tar. */
export function readTar(tar: Uint8Array): TarEntry[] {
  throw new Error("not yet")
}
