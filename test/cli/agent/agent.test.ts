import assert from "node:assert/strict"
import { mkdir, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { createIdentity } from "../../../src/channel/identity.ts"
import { parseEnrolment } from "../../../src/channel/enrolment.ts"
import { startTestNode } from "../../support/pair.ts"
import { processes } from "../../support/processes.ts"
import { stage } from "./stage.ts"

/** `purser agent`: its flags, one round of it, and what it prints. */

const refusals: [what: string, argv: string[], message: RegExp, hint: RegExp][] = [
  ["nothing", ["agent"], /no app is configured/, /--app NAME --secret NAME --node HOST/],
  [
    "neither --secret nor --dir",
    ["agent", "--app", "web", "--node", "x"],
    /nothing is granted to web/,
    /--secret NAME, or a whole directory with --dir DIR/,
  ],
  [
    "no node and no directory",
    ["agent", "--app", "web", "--secret", "a"],
    /web has no target/,
    /--node HOST/,
  ],
  [
    "a node that is no address",
    ["agent", "--app", "web", "--secret", "a", "--node", "a:b:c"],
    /not an address/,
    /HOST:PORT/,
  ],
  [
    "an app's name that is none",
    ["agent", "--app", "../web", "--secret", "a", "--node", "x"],
    /is not a name/,
    /use 1 to 63/,
  ],
  [
    "a secret's name that is none",
    ["agent", "--app", "web", "--secret", "../a", "--node", "x"],
    /is not a name/,
    /use one to eight/,
  ],
  [
    "max-nodes that is no number",
    ["agent", "--app", "web", "--secret", "a", "--node", "x", "--max-nodes", "many"],
    /--max-nodes.*not a whole number/,
    /see `purser agent --help`/,
  ],
  ["--print-config and nothing to print", ["agent", "--print-config"], /--print-config needs --app/, /./],
  [
    "pins without trust pinned",
    ["agent", "--app", "web", "--secret", "a", "--node", "x", "--pin", createIdentity().pin],
    /pins/,
    /trust: pinned|--trust/,
  ],
]
for (const [what, argv, message, hint] of refusals) {
  test(`an agent with ${what} is refused with exit code 2 and a hint`, async (t) => {
    const { run } = await processes(t)
    const { code, stderr, stdout } = await run(argv)
    assert.equal(code, 2, stderr)
    assert.match(stderr, message)
    assert.match(stderr, new RegExp(`hint: .*${hint.source}`))
    assert.equal(stdout, "")
  })
}

test("--once exits 0 when every node was served, with a line for each file and a summary", async (t) => {
  const { startNode, round } = await stage(t)
  const [one, two] = [await startNode(), await startNode()]
  const { code, stdout, stderr } = await round(["--node", one.address, "--node", two.address])
  assert.equal(code, 0, stderr)
  const lines = stdout.trim().split("\n").toSorted()
  const expected = [one, two].flatMap(({ address }) => [
    `web ${address}: ok, 1 sent, 0 match (N ms)`,
    `web ${address}: sent db-password`,
  ])
  assert.deepEqual(
    lines.map((line) => line.replace(/\(\d+ ms\)/, "(N ms)")),
    expected.toSorted(),
  )
  assert.match(stderr, /^purser: 2 deliveries: 2 ok, 0 failed, 0 refused\n$/)
  assert.match((await round(["--node", one.address])).stdout, /match db-password/)
})

test("--once exits non-zero when a node failed or was refused, and the others are served", async (t) => {
  const { startNode, round, enrolment } = await stage(t)
  const good = await startNode()
  const gone = await startNode()
  await gone.node.close()
  const failed = await round(["--node", good.address, "--node", gone.address])
  assert.equal(failed.code, 1)
  assert.match(failed.stdout, new RegExp(`${gone.address}: failed, .*cannot be reached`))
  assert.match(failed.stdout, new RegExp(`${good.address}: ok, 1 sent`))

  const stranger = await startTestNode(t, { ...parseEnrolment(enrolment), token: Buffer.alloc(32) })
  const refused = await round(["--node", good.address, "--node", stranger.address])
  assert.equal(refused.code, 1)
  assert.match(
    refused.stdout,
    new RegExp(`${stranger.address}: refused, .*wrong, revoked or too old\nhint: `),
  )
  assert.match(refused.stdout, new RegExp(`${good.address}: ok, 0 sent, 1 match`))
})

test("--once exits non-zero when an app has no target at all, though another's were served", async (t) => {
  const { startNode, run, base } = await stage(t)
  const node = await startNode()
  await writeFile(
    join(base, "purser.yaml"),
    `secrets: { db-password: store }
apps:
  web: { secrets: [db-password], nodes: ["${node.address}"] }
  none: { secrets: [db-password], nodes: [{ dns: no-such-name.invalid }] }
`,
  )
  const { code, stderr, stdout } = await run(["agent", "--once"])
  assert.match(stdout, /web .*: ok/)
  assert.match(stderr, /no target of none was found/)
  assert.equal(code, 1)
})

test("--json writes an object for each event on stdout, and logs objects on stderr", async (t) => {
  const { startNode, round } = await stage(t)
  const node = await startNode()
  const { stdout, stderr } = await round(["--json", "--node", node.address])
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    events.map(({ type, status, secret, target }) => [type, status, secret, target]),
    [
      ["file", "sent", "db-password", node.address],
      ["delivery", "ok", undefined, node.address],
    ],
  )
  await node.node.close()
  const failed = await round(["--json", "--node", node.address])
  const [delivery] = failed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { error: { code: string; message: string } })
  assert.equal(delivery?.error.code, "ERR_UNREACHABLE")
  for (const text of [stderr, failed.stderr])
    for (const line of text.split("\n").filter((one) => one !== "")) JSON.parse(line)
})

test("--print-config prints the purser.yaml that is equivalent to the flags", async (t) => {
  const { startNode, purser, base, run, stateDir } = await stage(t)
  const node = await startNode()
  await mkdir(join(base, "extra"))
  await writeFile(join(base, "extra", "tls.key"), "key")
  const flags = [
    "--secret",
    "db-password",
    "--dir",
    "extra",
    "--node",
    node.address,
    "--every",
    "10m",
    "--max-nodes",
    "3",
  ]
  const yaml = await purser(["agent", "--app", "web", ...flags, "--print-config"])
  assert.ok(!(await readdir(stateDir)).includes("agent.lock"), "and it does not act")
  await writeFile(join(base, "printed.yaml"), yaml)
  await purser(["check", "--config", "printed.yaml"])
  const { code, stdout, stderr } = await run(["agent", "--once", "--config", "printed.yaml"])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /sent db-password/)
  assert.match(stdout, /sent tls\.key/)
  assert.match(yaml, /every: 10m/)
  assert.match(yaml, /max_nodes: 3/)
})

test("flags of an app are refused without --app, because they would be ignored", async (t) => {
  const { run, base } = await processes(t)
  await writeFile(
    join(base, "purser.yaml"),
    "secrets: { a: store }\napps: { web: { secrets: [a], directory: out } }\n",
  )
  const flags = [
    ["--secret", "a"],
    ["--dir", "."],
    ["--node", "127.0.0.1:1"],
    ["--directory", "elsewhere"],
    ["--file", "a"],
    ["--reload", "exec:true"],
    ["--require-tmpfs"],
    ["--protocol", "fluxvault"],
    ["--trust", "approved"],
    ["--pin", "x"],
    ["--max-nodes", "3"],
    ["--require-pq"],
    ["--every", "5s"],
    ["--discover", "5s"],
  ]
  for (const flag of flags) {
    const { code, stderr } = await run(["agent", "--once", ...flag])
    assert.equal(code, 2, flag.join(" "))
    assert.match(stderr, new RegExp(`${flag[0]} has no meaning without --app\nhint: `))
  }
  assert.deepEqual((await readdir(base)).toSorted(), ["purser.yaml"])
})

test("with --app the state directory and the store are still those of purser.yaml", async (t) => {
  const { run, base } = await processes(t)
  const env = { PURSER_STATE: undefined, HOME: base, XDG_DATA_HOME: join(base, "data") }
  await writeFile(join(base, "purser.yaml"), "state: ./mine\nlimits: { secret_bytes: 10 }\n")
  assert.equal((await run(["secret", "set", "a"], { env, input: "x" })).code, 0)
  const round = ["agent", "--app", "web", "--secret", "a", "--directory", "out", "--once"]
  const { code, stdout, stderr } = await run(round, { env })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /sent a/)
  await writeFile(join(base, "big"), "more than ten bytes")
  const big = await run(["agent", "--app", "web", "--dir", ".", "--directory", "out2", "--once"], { env })
  assert.match(big.stderr, /big has more than 10 bytes/)
})
