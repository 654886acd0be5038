import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process"

/**
 * Starts a command in a process group of its own, without any PURSER_* variable (tokens and passphrases are not for
 * it), so that what it starts can be ended with it by {@link killGroup}. Windows has no groups.
 */
export function spawnGroup(
  file: string,
  args: readonly string[],
  { env = {}, ...options }: SpawnOptions,
): ChildProcess {
  const own = Object.entries(env).filter(([name]) => !name.startsWith("PURSER_"))
  return spawn(file, args, {
    ...options,
    env: Object.fromEntries(own),
    detached: process.platform !== "win32",
    windowsHide: true,
  })
}

/** Ends a child of {@link spawnGroup} and all that is in its group, at once. */
export function killGroup(child: ChildProcess): void {
  try {
    if (process.platform === "win32" || child.pid === undefined) child.kill("SIGKILL")
    else process.kill(-child.pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}
