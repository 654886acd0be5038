import { watch } from "node:fs"
import { open, type FileHandle } from "node:fs/promises"
import { dirname } from "node:path"
import type { Command } from "commander"
import { auditFileIn, isStateDir } from "../state/open.ts"
import { parseExpected, verifyAuditLog } from "../audit/verify.ts"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import { ensureStateDir } from "../state/state-dir.ts"
import { openDatabaseOf } from "../wiring/open-state.ts"
import type { CommandAction, Context } from "./command.ts"
import { commandConfig } from "./load-config.ts"

/** `purser audit`: shows and verifies the audit log. */
export function define(command: Command, action: CommandAction): void {
  command.option("--follow", "keep printing new lines").action(action(show))
  command
    .command("verify")
    .description("detect changed, missing, reordered and torn lines, and a truncated end")
    .option("--expect <seq:hash>", "a head that you kept elsewhere; the agent logs it every hour")
    .action(action(verify))
}

async function verify(context: Context, { expect }: { expect?: string }): Promise<void> {
  const config = await commandConfig(context)
  const { stateDir } = config
  const expected = expect === undefined ? undefined : parseExpected(expect)
  // A mistyped directory must not verify as an empty log.
  if (!isStateDir(stateDir)) {
    throw new PurserError("ERR_STATE", `${stateDir} is not a state directory of Purser`, {
      hint: "give the agent's state directory with --state or PURSER_STATE",
    })
  }
  using state = openDatabaseOf(config)
  const head = await verifyAuditLog(
    {
      file: auditFileIn(stateDir),
      readHead: () => state.auditHead.read(),
      ...(expected === undefined ? {} : { expect: expected }),
    },
    context.signal,
  )
  context.output.result(
    head,
    `${head.seq} ${head.seq === 1 ? "line" : "lines"}, head ${head.seq}:${head.hash}`,
  )
}

async function show(context: Context, { follow = false }: { follow?: boolean }): Promise<void> {
  const { stateDir } = await commandConfig(context)
  const file = auditFileIn(stateDir)
  await using reader = new LineReader(file)
  const print = async (): Promise<void> => {
    for await (const line of reader.lines()) context.output.result(jsonOf(line), textOf(line))
  }
  if (follow) {
    await ensureStateDir(stateDir)
    return await printChanges(dirname(file), print, context.signal)
  }
  if (!isStateDir(stateDir)) context.output.note(`no audit log in ${stateDir}: there is no state yet`)
  await print()
  if (reader.isTorn) context.output.warn("the last line is torn", "see purser audit verify")
}

/** Prints now and after each change of the directory, until the signal is aborted. */
async function printChanges(
  directory: string,
  print: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let changed = Promise.withResolvers<void>()
  // Watches the directory, because the file may not exist yet.
  const watcher = watch(directory, () => changed.resolve())
  const stop = (): void => changed.resolve()
  watcher.on("error", (error) => changed.reject(error))
  signal.addEventListener("abort", stop)
  try {
    while (!signal.aborted) {
      // Reset before reading, so that a change during the reading is not lost.
      changed = Promise.withResolvers()
      changed.promise.catch(() => {})
      await print()
      if (!signal.aborted) await changed.promise
    }
  } finally {
    signal.removeEventListener("abort", stop)
    watcher.close()
  }
}

/** Reads complete lines, from the end of the last reading on. */
class LineReader implements AsyncDisposable {
  readonly #file: string
  readonly #decoder = new TextDecoder()
  #handle: FileHandle | undefined
  #position = 0
  #rest = ""

  constructor(file: string) {
    this.#file = file
  }

  /** Whether there is text after the last complete line. */
  get isTorn(): boolean {
    return this.#rest !== ""
  }

  async *lines(): AsyncGenerator<string> {
    this.#handle ??= await openIfThere(this.#file)
    if (this.#handle === undefined) return
    const buffer = Buffer.alloc(65_536)
    for (;;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#position)
      if (bytesRead === 0) return
      this.#position += bytesRead
      const text = this.#decoder.decode(buffer.subarray(0, bytesRead), { stream: true })
      const lines = (this.#rest + text).split("\n")
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
    // Shown as it is; `purser audit verify` reports its fault.
  }
  return { damaged: line }
}

function textOf(line: string): string {
  const { seq, time, kind, previous: _, ...facts } = jsonOf(line) as Record<string, unknown>
  const head = [seq, time, kind].filter((value) => value !== undefined).map(shown)
  return [...head, ...Object.entries(facts).map(([key, value]) => `${shown(key)}=${shown(value)}`)].join(" ")
}

/** Quotes a value that is not a plain word, so that a peer's text cannot end its line or look like another field. */
function shown(value: unknown): string {
  return typeof value === "string" && /^[\w.:/@[\]+,-]*$/.test(value) ? value : JSON.stringify(value)
}
