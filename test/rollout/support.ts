import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { parseFileLine, writtenPath } from "../../src/files/file-line.ts"
import type { InstallResult } from "../../src/files/install.ts"
import type { FileToInstall } from "../../src/files/stage.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import type { FilesCheck } from "../../src/rollout/deliver-files.ts"
import { directoryTarget, type DirectoryTargetOptions } from "../../src/rollout/directory-target.ts"
import { FailedSets } from "../../src/rollout/failed-sets.ts"
import { rollOut, type Outcome } from "../../src/rollout/rollout.ts"
import type { RolloutTarget, WrittenFiles } from "../../src/rollout/target.ts"
import { everything, hup, installOptions } from "../files/support.ts"
import { tempDir } from "../support/temp.ts"
import type { TlsFiles } from "../support/tls-files.ts"
import type { ContractOptions, ContractTarget } from "./contract.ts"

const server = join(import.meta.dirname, "../fixtures/tls-server.mjs")

export type RolloutStep = "staged" | "recorded" | "renamed" | "reloaded" | "cleared"

export interface RollOutIntoOptions extends DirectoryTargetOptions {
  readonly check?: FilesCheck
  /** Called after each step. */
  readonly step?: (name: RolloutStep) => void
}

/** Rolls out files that are a whole set into a directory, and reloads when one was written. */
export async function rollOutInto(
  files: readonly FileToInstall[],
  { check, step = () => {}, ...options }: RollOutIntoOptions,
): Promise<InstallResult & Outcome> {
  const lines = files.map((file) => ({ ...file, optional: false }))
  const target = directoryTarget(lines, { onRecorded: () => step("recorded"), ...options })
  const set = files.map((file) => ({ ...file, path: writtenPath(file) }))
  return await rollOut(withSteps(target, step), set, {
    ...check,
    checks: check === undefined ? [] : [check.check],
    signal: options.signal,
  })
}

function withSteps<Result extends WrittenFiles>(
  target: RolloutTarget<Result>,
  step: (name: RolloutStep) => void,
): RolloutTarget<Result> {
  return {
    ...target,
    async write(files, beforeChange) {
      const result = await target.write(files, async (paths) => {
        step("staged")
        await beforeChange(paths)
      })
      if (result.written.length > 0) step("renamed")
      return result
    },
    async reload() {
      const reloaded = await target.reload()
      step("reloaded")
      return reloaded
    },
    async clearPending() {
      await target.clearPending?.()
      step("cleared")
    },
  }
}

export async function directoryWith(t: TestContext, { certificate, key }: TlsFiles): Promise<string> {
  const directory = await tempDir(t)
  await writeFile(join(directory, "tls.crt"), certificate, { mode: 0o444 })
  await writeFile(join(directory, "tls.key"), key, { mode: 0o440 })
  return directory
}

/** A process that serves what lies in the directory, as the fixture's `mode` says. */
export async function serve(
  t: TestContext,
  directory: string,
  mode: string,
  port = 0,
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [server, directory, String(port), mode], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  const [said] = (await once(child.stdout, "data")) as [Buffer]
  return { child, port: Number(said.toString()) }
}

/** A server that serves these, and options that signal it and check it. */
export async function stage(
  t: TestContext,
  old: TlsFiles,
  mode = "usual",
): Promise<{ directory: string; options: RollOutIntoOptions; reloads: () => number }> {
  const directory = await directoryWith(t, old)
  const { child, port } = await serve(t, directory, mode)
  let count = 0
  const check = { ...parseCheck(`:${port} within=1s`), withinMs: mode === "usual" ? 6000 : 2000 }
  const options: RollOutIntoOptions = {
    ...installOptions(directory),
    reload: hup,
    runReload: async () => {
      count++
      child.kill("SIGHUP")
    },
    check: { check, failed: { sets: new FailedSets(), target: "web" } },
  }
  return { directory, options, reloads: () => count }
}

/** A directory that a real server serves, as {@link describeTarget} wants it. */
export async function openDirectoryTarget(
  t: TestContext,
  { old, names, signal }: ContractOptions,
): Promise<ContractTarget> {
  const directory = await tempDir(t)
  for (const [name, { content, mode }] of Object.entries(old ?? {}))
    await writeFile(join(directory, name), content, { mode: Number.parseInt(mode, 8) })
  const server = old === null ? null : await serve(t, directory, "usual")
  let reloads = 0
  let failures = 0
  const target = directoryTarget(names.map(parseFileLine), {
    ...installOptions(directory, { signal }),
    reload: hup,
    async runReload() {
      reloads++
      if (failures-- > 0) throw new Error("the server is gone")
      server?.child.kill("SIGHUP")
    },
  })
  return {
    target,
    path: (name) => name,
    check: parseCheck(`:${server?.port ?? 1} within=6s`),
    async found() {
      const there = (await everything(directory)).filter((name) => name !== ".purser-owed.json")
      const files = there.map(async (name) => {
        const [content, { mode }] = await Promise.all([
          readFile(join(directory, name), "utf8"),
          stat(join(directory, name)),
        ])
        return [name, { content, mode: (mode & 0o7777).toString(8) }] as const
      })
      return Object.fromEntries(await Promise.all(files))
    },
    reloads: async () => reloads,
    failReloads: async (count) => void (failures = count),
  }
}
