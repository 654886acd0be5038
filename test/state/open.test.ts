import assert from "node:assert/strict"
import { DatabaseSync } from "node:sqlite"
import { test, type TestContext } from "node:test"
import { openState, stateFileIn } from "../../src/state/state.ts"
import { purser } from "../cli/purser.ts"
import { oldVersions, printedBy, stateOf } from "./old-state.ts"

/** Checks that today's commands read state directories of earlier versions as the commands of those versions did. */

/** Fields that change with the time of day, or when the files are copied. */
const passing = new Set(["changed", "state"])

function lasting(lines: string): unknown[] {
  return lines
    .trim()
    .split("\n")
    .map((line) =>
      Object.fromEntries(Object.entries(JSON.parse(line) as object).filter(([key]) => !passing.has(key))),
    )
}

async function commandsOn(t: TestContext, version: number): Promise<(...args: string[]) => Promise<string>> {
  const dir = await stateOf(t, version)
  return async (...args) => {
    const { code, stdout, stderr } = await purser(args, { env: { PURSER_STATE: dir } })
    assert.equal(code, 0, `purser ${args.join(" ")}: ${stderr}`)
    return stdout
  }
}

for (const version of oldVersions) {
  test(`commands print the same about a state of version ${version} as that version did`, async (t) => {
    const ok = await commandsOn(t, version)
    // The order matters, because enrol writes a line of the audit log.
    const same: [file: string, ...args: string[]][] = [
      ["audit-verify.txt", "audit", "verify"],
      ["audit.json", "audit", "--json"],
      ["nodes-ls.json", "nodes", "ls", "--json"],
      ["agent-identity.json", "agent", "identity", "--json"],
      ["enrol-web.txt", "enrol", "web"],
      ["enrol-queue.txt", "enrol", "queue", "--trust", "approved"],
    ]
    for (const [file, ...args] of same) assert.equal(await ok(...args), await printedBy(version, file), file)
    const secrets = await printedBy(version, "secret-ls.json")
    assert.deepEqual(lasting(await ok("secret", "ls", "--json")), lasting(secrets ?? ""))
    const certificates = await printedBy(version, "ca-ls.json")
    if (certificates !== null)
      assert.deepEqual(lasting(await ok("ca", "ls", "--all", "--json")), lasting(certificates))
  })

  test(`secrets, decisions and the audit log of version ${version} can be used further`, async (t) => {
    const ok = await commandsOn(t, version)
    assert.equal(await ok("secret", "get", "db-password"), "correct horse")
    await ok("secret", "set", "api-key", "--undo")
    assert.match(await ok("secret", "get", "api-key"), /^(first|second)$/)
    const waiting = lasting(await ok("nodes", "ls", "--json")).find(
      (node) => (node as { name: string }).name === "queue-3",
    ) as { pin: string }
    await ok("nodes", "approve", waiting.pin)
    await ok("agent", "identity", "--promote")
    await ok("enrol", "web", "--rotate")
    const lines = Number((await printedBy(version, "audit-verify.txt"))?.split(" ")[0])
    // The three new lines are the approval, the promotion and the rotation.
    assert.equal(Number((await ok("audit", "verify")).split(" ")[0]), lines + 3)
  })

  test(`the agent reads trusted nodes and pending decisions of version ${version}`, async (t) => {
    using state = openState(await stateOf(t, version))
    assert.equal(state.tokens.valid("web").length, 2, "the old token is in its overlap")
    assert.deepEqual(state.tokens.valid("queue"), [])
    assert.deepEqual(state.nodes.provenAddresses("web"), ["127.0.0.1:39871", "127.0.0.1:39872"])
    const decisions = state.approvals.list().map(({ name, state: decision }) => [name, decision])
    assert.deepEqual(decisions, [
      ["queue-1", "approved"],
      ["queue-2", "rejected"],
      ["queue-3", "pending"],
    ])
    assert.equal(state.keys.content().length, 32)
    assert.ok(state.revision() > 0)
  })
}

test("a container's reload that was pending in version 2 is still pending", async (t) => {
  const dir = await stateOf(t, 2)
  using file = new DatabaseSync(stateFileIn(dir), { readOnly: true })
  const { id, started } = file.prepare("SELECT id, started FROM containers").get() ?? {}
  using state = openState(dir)
  assert.deepEqual(state.containers.find({ app: "cache", id: String(id), startedAt: String(started) }), {
    isComplete: true,
    pendingReload: "exec:false",
  })
})
