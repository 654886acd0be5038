import { execFile } from "node:child_process"
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import type { Digest } from "../../src/base/digest.ts"
import { isPurserError, type ErrorCode, type PurserError } from "../../src/base/errors.ts"
import { createLog, silentLog, type Log } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { parseFileLine } from "../../src/files/file-line.ts"
import type { Fetch, DeliverFilesOptions } from "../../src/rollout/deliver-files.ts"
import type { FileToInstall } from "../../src/files/stage.ts"
import type { DirectoryTargetOptions } from "../../src/rollout/directory-target.ts"
import { formatReload, type Reload } from "../../src/rollout/reload.ts"

export const run = promisify(execFile)

export const hup: Reload = { kind: "signal", signal: "SIGHUP" }

export function toInstall(line: string, content: string | Uint8Array): FileToInstall {
  return { ...parseFileLine(line), content: new Secret(content) }
}

/** Options that record reloads instead of running them. */
export function installOptions<const Extra extends Partial<DeliverFilesOptions>>(
  directory: string,
  extra?: Extra,
): Omit<DirectoryTargetOptions, "reload"> & Extra & { reloads: string[] } {
  const reloads: string[] = []
  return {
    directory,
    runReload: async (reload) => void reloads.push(formatReload(reload)),
    log: silentLog,
    signal: new AbortController().signal,
    reloads,
    ...(extra as Extra),
  }
}

/** Every path below a directory, sorted. */
export async function everything(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort()
}

/** A predicate on an error's code and message, for `assert.rejects` and `assert.throws`. */
export function purserError(code: ErrorCode, message: RegExp): (error: unknown) => error is PurserError {
  return (error): error is PurserError => {
    if (isPurserError(error, code) && message.test(error.message)) return true
    throw error
  }
}

export function notingLog(): { log: Log; text: () => string } {
  let text = ""
  return { log: createLog({ write: (line) => (text += line) }), text: () => text }
}

/** A mount of its own, unmounted after the test. Needs root. */
export async function mounted(t: TestContext, ...args: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "purser-test-mount-"))
  t.after(async () => {
    await run("umount", ["-l", directory]).catch(() => {})
    await rm(directory, { recursive: true, force: true })
  })
  await run("mount", [...args, directory])
  await chmod(directory, 0o755)
  return directory
}

/** A fetch function with these contents that records what it was asked. */
export function agentWith(contents: Readonly<Record<string, string>>): Fetch & { haves: (Digest | null)[] } {
  const haves: (Digest | null)[] = []
  const fetch: Fetch = async (name, have) => {
    haves.push(have)
    const text = contents[name]
    if (text === undefined) return { status: "missing" }
    const content = new Secret(text)
    return content.digest === have ? { status: "match" } : { status: "sent", content }
  }
  return Object.assign(fetch, { haves })
}
