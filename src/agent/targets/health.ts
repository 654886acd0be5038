import { pathOf } from "../../files/file-line.ts"
import { processMark, removeHealth, writeHealth } from "../../node/health.ts"
import type { AppConfig } from "../../apps/config.ts"

/** What `purser health` learns of an agent: which files of the directories it fills must be in place. */
export class AgentHealth {
  readonly #file: string | undefined
  /** By app with a directory; null until it is known what is required there. */
  #required = new Map<string, readonly string[] | null>()
  readonly #complete = new Set<string>()

  /** Without a file nothing is written, and only {@link isComplete} is of use. */
  constructor(file: string | undefined) {
    this.#file = file
  }

  /** With these apps to look after. Those with file lines are known at once, the others after a complete delivery. */
  async begin(apps: Readonly<Record<string, AppConfig>>): Promise<void> {
    const before = this.#required
    this.#required = new Map()
    for (const { name, directory, files } of Object.values(apps)) {
      if (directory === undefined) continue
      const required = files?.filter((line) => !line.optional).map((line) => pathOf(line, directory))
      this.#required.set(name, required ?? before.get(name) ?? null)
    }
    await this.#write()
  }

  /** Whether this app's directory was complete once, so that somebody may use what is in it. */
  isComplete(app: string): boolean {
    return this.#complete.has(app)
  }

  async complete(app: string, required: readonly string[]): Promise<void> {
    this.#complete.add(app)
    this.#required.set(app, required)
    await this.#write()
  }

  async end(): Promise<void> {
    if (this.#file !== undefined) await removeHealth(this.#file)
  }

  async #write(): Promise<void> {
    if (this.#file === undefined) return
    const all = [...this.#required.values()]
    const process = await processMark()
    await writeHealth(this.#file, {
      required: all.includes(null) ? null : all.flatMap((paths) => paths ?? []),
      ...(process === undefined ? {} : { process }),
    })
  }
}
