import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { openState, type State } from "../../src/state/state.ts"
import { openAuditLog, type AuditLog } from "../../src/audit/audit-log.ts"
import type { AuditEvent } from "../../src/audit/events.ts"
import { parseExpected, verifyAuditLog, type ExpectedHead } from "../../src/audit/verify.ts"
import { silentLog } from "../../src/base/log.ts"
import { tempDir } from "../support/temp.ts"

/** An audit log in a fresh state directory, with the real state database as its head store. */
export interface Place {
  readonly dir: string
  readonly file: string
  readonly state: State
  /** Opens the log, appends these events one after another, and closes it. */
  readonly append: (...events: AuditEvent[]) => Promise<void>
  readonly open: () => AuditLog
  /** The complete lines, without their newlines. */
  readonly lines: () => Promise<string[]>
  readonly write: (lines: readonly string[]) => Promise<void>
  /** Verifies with a short wait for missing lines by default. */
  readonly verify: (expect?: string, patienceMs?: number) => Promise<ExpectedHead>
}

export async function place(t: TestContext): Promise<Place> {
  const dir = await tempDir(t)
  const file = join(dir, "audit.log")
  const state = openState(dir)
  t.after(() => state[Symbol.dispose]())
  const open = (): AuditLog =>
    openAuditLog({ file, heads: state.auditHead, contentKey: () => state.keys.content(), log: silentLog })
  return {
    dir,
    file,
    state,
    open,
    async append(...events) {
      await using audit = open()
      for (const event of events) await audit.append(event)
    },
    async lines() {
      return (await readFile(file, "utf8")).split("\n").filter((line) => line !== "")
    },
    write: (lines) => writeFile(file, lines.map((line) => `${line}\n`).join("")),
    verify: (expect, patienceMs = 1) =>
      verifyAuditLog(
        {
          file,
          readHead: () => state.auditHead.read(),
          patienceMs,
          ...(expect === undefined ? {} : { expect: parseExpected(expect) }),
        },
        new AbortController().signal,
      ),
  }
}

export function delivered(secret: string): AuditEvent {
  return { kind: "delivered", app: "web", directory: "/run/secrets", secret }
}

/** Five decisions. */
export const events: readonly AuditEvent[] = ["one", "two", "three", "four", "fünf"].map(delivered)

/** Short events, for tests that do not depend on their content. */
export const alert: AuditEvent = {
  kind: "alert",
  app: "web",
  address: "198.51.100.7:39898",
  protocol: "fluxvault",
  reason: "max_nodes",
}
export const trust: AuditEvent = { kind: "trust", change: "forgotten", address: "198.51.100.7:39898" }
