import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process"

/**
 * Starts a command in its own process group, so that {@link killGroup} also ends the processes that it starts (Windows
 * has no groups). The command gets no PURSER_* variable, because they hold tokens and passphrases.
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

/** Kills a child of {@link spawnGroup} and its whole process group. */
export function killGroup(child: ChildProcess): void {
  try {
    if (process.platform === "win32" || child.pid === undefined) child.kill("SIGKILL")
    else process.kill(-child.pid, "SIGKILL")
  } catch {
    // The group has already ended.
  }
}
