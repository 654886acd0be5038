import { fileSystemType } from "./system-calls.ts"

/** `f_type` of file systems whose content is in memory (statfs(2)). */
const memoryTypes: ReadonlySet<number> = new Set([0x0102_1994 /* tmpfs */, 0x8584_58f6 /* ramfs */])

/** Whether a directory lies in memory. False where that cannot be found out, as on systems other than Linux. */
export async function isMemory(directory: string): Promise<boolean> {
  if (process.platform !== "linux") return false
  try {
    return memoryTypes.has(await fileSystemType(directory))
  } catch {
    return false
  }
}
