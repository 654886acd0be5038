import { watch } from "node:fs"
import { open, type FileHandle } from "node:fs/promises"
import { dirname } from "node:path"
import type { Command } from "commander"
import { openState } from "../agent/state.ts"
import { auditFileIn } from "../agent/state-dir.ts"
import { parseExpected, verifyAuditLog } from "../audit/verify.ts"
import { systemErrorCode } from "../base/errors.ts"
import { ensureStateDir } from "../base/state-dir.ts"
import type { Action, Context } from "./command.ts"
import { loadConfig } from "./load-config.ts"

/** `purser audit`: what was decided, and whether the log of it is whole. */
export function define(command: Command, action: Action): void {
  command.option("--follow", "go on with new lines as they come").action(action(show))
  command
    .command("verify")
    .description("find a changed, missing, reordered or torn line, and a cut tail")
    .option("--expect <seq:hash>", "a head that was kept elsewhere; the agent logs it every hour")
    .action(action(verify))
}

async function verify(context: Context, { expect }: { expect?: string }): Promise<void> {
  const { stateDir } = await loadConfig(context)
  await ensureStateDir(stateDir)
  using state = openState(stateDir)
  const head = await verifyAuditLog({
    file: auditFileIn(stateDir),
    readHead: () => state.readHead(),
    ...(expect === undefined ? {} : { expect: parseExpected(expect) }),
  })
  context.output.result(head, `${head.seq} lines, head ${head.seq}:${head.hash}`)
}

async function show(context: Context, { follow = false }: { follow?: boolean }): Promise<void> {
  const { stateDir } = await loadConfig(context)
  await ensureStateDir(stateDir)
  const file = auditFileIn(stateDir)
  await using reader = new LineReader(file)
  const print = async (): Promise<void> => {
    for await (const line of reader.lines()) context.output.result(jsonOf(line), textOf(line))
  }
  if (!follow) return await print()
  // The directory is watched, since the file may not be there yet. One turn after another, so that no line comes twice.
  let turn = print()
  const watcher = watch(dirname(file), () => {
    turn = turn.then(print)
  })
  try {
    await turn
    const { promise, resolve } = Promise.withResolvers<void>()
    if (context.signal.aborted) resolve()
    context.signal.addEventListener("abort", () => resolve(), { once: true })
    await promise
    await turn
  } finally {
    watcher.close()
  }
}

/** Whole lines from where the last reading ended. */
class LineReader implements AsyncDisposable {
  readonly #file: string
  #handle: FileHandle | undefined
  #position = 0
  #rest = ""

  constructor(file: string) {
    this.#file = file
  }

  async *lines(): AsyncGenerator<string> {
    this.#handle ??= await openIfThere(this.#file)
    if (this.#handle === undefined) return
    const buffer = Buffer.alloc(65_536)
    const decoder = new TextDecoder()
    for (;;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#position)
      if (bytesRead === 0) return
      this.#position += bytesRead
      const lines = (this.#rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split("\n")
      this.#rest = lines.pop() ?? ""
      yield* lines
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, "r")
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined
    throw error
  }
}

function jsonOf(line: string): object {
  try {
    const entry: unknown = JSON.parse(line)
    if (typeof entry === "object" && entry !== null) return entry
  } catch {
    // Shown as it stands; `verify` says what is wrong with it.
  }
  return { damaged: line }
}

function textOf(line: string): string {
  const {
    seq = "?",
    time = "",
    kind = "",
    previous: _,
    ...facts
  } = jsonOf(line) as Record<string, string | number>
  return [`${seq} ${time} ${kind}`, ...Object.entries(facts).map(([key, value]) => `${key}=${value}`)].join(
    " ",
  )
}
