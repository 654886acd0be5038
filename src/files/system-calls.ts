import * as fs from "node:fs"
import { promisify } from "node:util"

/**
 * The calls of `node:fs/promises` that this folder needs, made synchronously
 * instead of by the thread pool. On a file system in memory each takes one or
 * two microseconds, and fifty through the pool: two dozen of them took longer
 * than the whole TLS handshake of a delivery. Only `sync` uses the pool, because
 * it may wait for a disk.
 */

const syncToDisk = promisify(fs.fsync)

export class FileHandle {
  readonly fd: number

  constructor(fd: number) {
    this.fd = fd
  }

  async stat(): Promise<fs.Stats> {
    return fs.fstatSync(this.fd)
  }

  async read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }> {
    return { bytesRead: fs.readSync(this.fd, buffer, offset, length, position) }
  }

  async readFile(encoding: "utf8"): Promise<string> {
    return fs.readFileSync(this.fd, encoding)
  }

  async write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }> {
    return { bytesWritten: fs.writeSync(this.fd, bytes, offset, length, position) }
  }

  /** Writes all bytes at the descriptor's position. */
  async writeFile(bytes: Uint8Array): Promise<void> {
    fs.writeFileSync(this.fd, bytes)
  }

  async chmod(mode: number): Promise<void> {
    fs.fchmodSync(this.fd, mode)
  }

  async chown(uid: number, gid: number): Promise<void> {
    fs.fchownSync(this.fd, uid, gid)
  }

  async truncate(length: number): Promise<void> {
    fs.ftruncateSync(this.fd, length)
  }

  async sync(): Promise<void> {
    await syncToDisk(this.fd)
  }

  async close(): Promise<void> {
    fs.closeSync(this.fd)
  }
}

export async function open(path: string, flags: number, mode?: number): Promise<FileHandle> {
  return new FileHandle(fs.openSync(path, flags, mode))
}

export async function lstat(path: string): Promise<fs.Stats> {
  return fs.lstatSync(path)
}

export async function mkdir(path: string, options: { mode: number }): Promise<void> {
  fs.mkdirSync(path, options)
}

export async function readdir(path: string): Promise<fs.Dirent[]> {
  return fs.readdirSync(path, { withFileTypes: true })
}

export async function realpath(path: string): Promise<string> {
  return fs.realpathSync.native(path)
}

export async function readlink(path: string): Promise<string> {
  return fs.readlinkSync(path)
}

export async function rename(from: string, to: string): Promise<void> {
  fs.renameSync(from, to)
}

export async function rm(path: string, options: { force: boolean }): Promise<void> {
  fs.rmSync(path, options)
}

/** The type of the file system (`f_type` of statfs(2)). */
export async function fileSystemType(path: string): Promise<number> {
  return fs.statfsSync(path).type
}
