import { fileSystemType } from "./system-calls.ts"

/** The `f_type` of file systems that keep their content in memory (statfs(2)). */
const memoryTypes: ReadonlySet<number> = new Set([0x0102_1994 /* tmpfs */, 0x8584_58f6 /* ramfs */])

/** Whether a directory is on a file system in memory. False when that is unknown, as on systems other than Linux. */
export async function isMemory(directory: string): Promise<boolean> {
  if (process.platform !== "linux") return false
  try {
    return memoryTypes.has(await fileSystemType(directory))
  } catch {
    return false
  }
}
