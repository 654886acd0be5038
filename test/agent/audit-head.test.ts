import assert from "node:assert/strict"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { openAgent } from "../../src/wiring/open-agent.ts"
import { parseExpected, verifyAuditLog } from "../../src/audit/verify.ts"
import { createLog } from "../../src/base/log.ts"
import { defaultLimits } from "../../src/channel/limits.ts"
import { alert } from "../audit/support.ts"
import { appConfig, home, TestCatalogue, type Home } from "../support/pair.ts"

/** A running agent without targets, and what it logs. */
async function running(t: TestContext, place: Home, auditHeadMs?: number) {
  const lines: string[] = []
  let said = Promise.withResolvers<void>()
  const opened = await openAgent({
    stateDir: place.stateDir,
    plan: {
      apps: { web: appConfig("web") },
      catalogue: new TestCatalogue({}),
      everyMs: 60_000,
      discoverMs: 60_000,
      limits: defaultLimits,
      parallel: 1,
      actionMs: 1000,
    },
    ...(auditHeadMs === undefined ? {} : { auditHeadMs }),
    log: createLog({
      write(text: string) {
        lines.push(text)
        said.resolve()
        said = Promise.withResolvers()
      },
    }),
  })
  const ends = new AbortController()
  const ended = opened.agent.run(ends.signal)
  const stop = async (): Promise<void> => {
    ends.abort()
    await ended
    await opened[Symbol.asyncDispose]()
  }
  t.after(stop)
  return { lines, stop, next: () => said.promise }
}

const heads = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => /^audit head (\d+:sha256:[0-9a-f]{64})\n$/.exec(line)?.[1] ?? [])

test("a running agent logs the head of the audit log at its start and at intervals, and verify knows each", async (t) => {
  const place = await home(t)
  const agent = await running(t, place, 10)
  await place.withState(({ audit }) => audit.append(alert))
  while (heads(agent.lines).length < 2 || heads(agent.lines).at(-1)?.startsWith("0:") === true)
    await agent.next()
  await agent.stop()
  const logged = heads(agent.lines)
  assert.ok(logged[0]?.startsWith("0:sha256:0000"))
  assert.ok(logged.at(-1)?.startsWith("1:"))
  await place.withState(async ({ state }) => {
    for (const head of logged) {
      await verifyAuditLog(
        {
          file: join(place.stateDir, "audit.log"),
          readHead: () => state.auditHead.read(),
          expect: parseExpected(head),
        },
        new AbortController().signal,
      )
    }
  })
})

test("the head is logged every hour, not sooner, and not after the end", async (t) => {
  const place = await home(t)
  t.mock.timers.enable({ apis: ["setInterval"] })
  const agent = await running(t, place)
  assert.equal(heads(agent.lines).length, 1)
  t.mock.timers.tick(3_599_999)
  assert.equal(heads(agent.lines).length, 1)
  t.mock.timers.tick(1)
  assert.equal(heads(agent.lines).length, 2)
  await agent.stop()
  t.mock.timers.tick(36_000_000)
  assert.equal(heads(agent.lines).length, 2)
})
