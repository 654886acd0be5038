import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import type { AppConfig } from "../../../src/apps/config.ts"
import { openState, type State } from "../../../src/state/state.ts"
import { auditFileIn } from "../../../src/state/open.ts"
import { decideTrust } from "../../../src/apps/trust/decide.ts"
import type { TrustBase, TrustKind } from "../../../src/apps/trust/kind.ts"
import { openAuditLog } from "../../../src/audit/audit-log.ts"
import { createIdentity, type Identity } from "../../../src/channel/identity.ts"
import type { Hello } from "../../../src/channel/messages.ts"
import { proofOf } from "../../../src/channel/proof.ts"
import { appConfig, testLog } from "../../support/pair.ts"
import { tempDir } from "../../support/temp.ts"

/** An agent that decides about nodes, with a real state and audit log, and a clock that the test sets. */
export interface Judge {
  readonly state: State
  readonly identity: Identity
  readonly clock: { now: number }
  /** Decides about a node; without a token the node proves nothing. */
  readonly ask: (node: Visitor) => Promise<void>
  /** Returns the lines of the audit log. */
  readonly audit: () => Promise<Record<string, unknown>[]>
  /** Returns the logged text. */
  readonly said: () => string
}

export interface Visitor {
  identity?: Identity
  token?: Uint8Array | undefined
  address?: string
  hello?: Partial<Hello>
  app?: Partial<AppConfig>
  /** A mode to use instead of the app's, which Purser may not have. */
  trust?: TrustBase
}

export const aliveMs = 1000

export async function judge(
  t: TestContext,
  app: Partial<AppConfig> = {},
  kinds?: readonly TrustKind[],
): Promise<Judge> {
  const dir = await tempDir(t)
  const clock = { now: Date.UTC(2026, 0, 1) }
  const state = openState(dir, { now: () => clock.now })
  const log = testLog()
  const audit = openAuditLog({
    file: join(dir, "audit.log"),
    heads: state.auditHead,
    contentKey: () => state.keys.content(),
    log: log.log,
  })
  t.after(async () => {
    await audit[Symbol.asyncDispose]()
    state[Symbol.dispose]()
  })
  const identity = createIdentity()
  return {
    state,
    identity,
    clock,
    async ask({ identity: of = createIdentity(), token, address = "203.0.113.7:39898", trust, ...more }) {
      const exporter = randomBytes(32)
      const { spkiSha256, pin } = of
      const proof =
        token === undefined
          ? null
          : proofOf({
              token,
              exporter,
              nodeSpkiSha256: spkiSha256,
              agentSpkiSha256: identity.spkiSha256,
              app: "web",
            }).toString("base64url")
      await decideTrust(
        {
          app: { ...appConfig("web", { ...app, ...more.app }), ...(trust === undefined ? {} : { trust }) },
          target: address,
          channel: { peerPin: pin, peerSpkiSha256: spkiSha256, exporter },
          hello: {
            type: "hello",
            protocol: "purser/1",
            app: "web",
            node: "node-1",
            version: "1.0.0",
            proof,
            ...more.hello,
          },
          identity,
          state,
          audit,
          log: log.log,
          aliveMs,
        },
        kinds,
      )
    },
    async audit() {
      const text = await readFile(auditFileIn(dir), "utf8")
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    },
    said: () => log.text(),
  }
}
