import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test, type TestContext } from "node:test"
import { bundleReceiver } from "../../../scripts/bundle.ts"
import { originalAgent, originalNode } from "../../support/fluxvault-peer.ts"
import { processes, type RunningNode } from "../../support/processes.ts"
import { oldNode, requireService } from "../../support/services.ts"
import { exited } from "../../support/ended.ts"

/** FluxVault's protocol on the command line: off unless it is asked for by name. */

const flags = ["--protocol", "fluxvault"]

async function stage(t: TestContext) {
  const cast = await processes(t)
  const files = join(cast.base, "files")
  await mkdir(files)
  await writeFile(join(files, "quotes.txt"), "to be or not to be\n")
  const out = join(cast.base, "out")
  const env = { PURSER_STATE: undefined, PURSER_ENROL: undefined, PURSER_DIRECTORY: out }
  return {
    ...cast,
    out,
    startNode: (argv: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<RunningNode> =>
      cast.node("", argv, { env: { ...env, ...more } }),
    refusedNode: (argv: readonly string[], more: NodeJS.ProcessEnv = {}) =>
      cast.run(["node", "--listen", "127.0.0.1:0", ...argv], { env: { ...env, ...more } }),
  }
}

test("purser agent --protocol fluxvault serves the original node, implies --trust discovered, and says both", async (t) => {
  const { run } = await stage(t)
  const node = await originalNode(t, ["quotes.txt"])
  const agent = ["agent", "--app", "web", "--dir", "./files", ...flags, "--node", node.address]
  const { code, stdout, stderr } = await run([...agent, "--once"])
  assert.equal(code, 0, stderr)
  assert.equal(node.files.get("quotes.txt"), "to be or not to be\n")
  assert.match(stdout, /web 127\.0\.0\.1:\d+: sent quotes\.txt/)
  assert.match(stderr, /--protocol fluxvault implies --trust discovered/)
  assert.match(
    stderr,
    /its nodes are not authenticated, and whoever answers at an address can read the content/,
  )
  const printed = await run([...agent, "--print-config"])
  assert.match(printed.stdout, /protocol: fluxvault\n\s+trust: discovered\n/)
  const nodes = await run(["nodes", "ls"])
  assert.match(nodes.stdout, /fluxvault\s+ok/)
  const audit = await run(["audit", "verify"])
  assert.equal(audit.code, 0)
})

test("without the flag the agent says nothing that the original understands, and gives it nothing", async (t) => {
  const { run } = await stage(t)
  const node = await originalNode(t, ["quotes.txt"])
  const agent = ["agent", "--app", "web", "--dir", "./files", "--trust", "discovered", "--once"]
  const { code } = await run([...agent, "--node", node.address])
  assert.equal(code, 1)
  assert.equal(node.files.size, 0)
})

test("purser node --protocol fluxvault takes files from the original agent without an enrolment string, and warns", async (t) => {
  const { startNode, out } = await stage(t)
  const node = await startNode(["--protocol", "fluxvault", "--allow", "127.0.0.1"], {
    PURSER_FILES: "quotes.txt mode=0440\ndot-env path=.env\n",
  })
  assert.match(node.stderr, /listening on .* protocol=fluxvault/)
  await node.wrote("stderr", /warn: FluxVault's protocol is unauthenticated: .*\nhint: /)
  const asked = await originalAgent(node.port, { "quotes.txt": "x\n", ".env": "A=1\n" })
  assert.deepEqual(
    asked?.map(({ FILE }) => FILE),
    ["quotes.txt", ".env"],
  )
  assert.equal(await readFile(join(out, "quotes.txt"), "utf8"), "x\n")
  assert.equal(await readFile(join(out, ".env"), "utf8"), "A=1\n")
  await node.wrote("stderr", /delivery complete written=2/)
})

test("--once ends after the first complete delivery, and everything has a variable", async (t) => {
  const { startNode } = await stage(t)
  const node = await startNode([], {
    PURSER_PROTOCOL: "fluxvault",
    PURSER_ALLOW: "127.0.0.1",
    PURSER_FILES: "a",
    PURSER_ONCE: "1",
  })
  assert.equal((await originalAgent(node.port, {}))?.length, 1)
  assert.equal((await originalAgent(node.port, { a: "1" }))?.length, 1)
  assert.equal(await node.exited, 0)
})

test("the command starts once the original agent has delivered", async (t) => {
  const { startNode, out } = await stage(t)
  const script = `console.log("started with " + require("node:fs").readFileSync(${JSON.stringify(join(out, "a"))}))`
  const command = ["--", process.execPath, "-e", script]
  const node = await startNode([...flags, "--allow", "127.0.0.1", "--file", "a", ...command])
  await originalAgent(node.port, { a: "swordfish" })
  await node.wrote("stdout", /started with swordfish/)
  assert.equal(await node.exited, 0)
})

test("the one-file receiver speaks it too, on Node 22.0.0", async (t) => {
  if (!(await requireService(t, "node22"))) return
  const { base, out } = await stage(t)
  const receiver = join(base, "purser-node.mjs")
  await writeFile(
    receiver,
    await bundleReceiver(resolve(import.meta.dirname, "../../../src/cli/node/receiver.ts")),
  )
  const where = ["--listen", "127.0.0.1:0", "--allow", "127.0.0.1", "--directory", out]
  const child = spawn(oldNode(22), [receiver, ...flags, ...where, "--file", "a", "--file", "b", "--once"])
  t.after(() => child.kill("SIGKILL"))
  const [line] = (await once(child.stderr, "data")) as [Buffer]
  const port = /listening on [\d.]+:(\d+)/.exec(line.toString())?.[1]
  assert.equal((await originalAgent(Number(port), { a: "ä", b: "" }))?.length, 2)
  assert.equal(await exited(child), 0)
  assert.equal((await readFile(join(out, "a"), "utf8")) + (await readFile(join(out, "b"), "utf8")), "ä")
})

const refusals: [what: string, argv: string[], message: RegExp, env?: NodeJS.ProcessEnv][] = [
  ["without an allow-list", [...flags, "--file", "a"], /needs an allow-list.*\nhint: .*PURSER_ALLOW/],
  [
    "with an allow-list that names nobody",
    [...flags, "--file", "a"],
    /needs an allow-list/,
    { PURSER_ALLOW: " , " },
  ],
  ...["PURSER_ENROL", "PURSER_ENROL_FILE", "PURSER_IDENTITY", "PURSER_NAME"].map(
    (name): (typeof refusals)[number] => [
      `with ${name}`,
      [...flags, "--allow", "127.0.0.1", "--file", "a"],
      new RegExp(`${name} has no meaning`),
      { [name]: "web-1" },
    ],
  ),
  ["without files", [...flags, "--allow", "127.0.0.1"], /needs a list of files.*\nhint: .*PURSER_FILES/],
  [
    "with an identity",
    [...flags, "--identity", "id.pem"],
    /--identity has no meaning with the protocol fluxvault/,
  ],
  ["with an enrolment file", [...flags, "--enrol-file", "x"], /--enrol-file has no meaning/],
  ["with a name", [...flags, "--name", "web-1"], /--name has no meaning/],
  [
    "with a name that is too long to ask for",
    [...flags, "--allow", "127.0.0.1", "--file", `a path=.${"x".repeat(255)}`],
    /path="\.x+\.\.\." is too long/,
  ],
  [
    "of another name",
    ["--protocol", "fluxvault2"],
    /there is no protocol "fluxvault2".*\nhint: purser or fluxvault/,
  ],
]
for (const [what, argv, message, env] of refusals) {
  test(`a node of this protocol ${what} is refused with exit code 2`, async (t) => {
    const { refusedNode } = await stage(t)
    const { code, stderr } = await refusedNode(argv, env)
    assert.equal(code, 2)
    assert.match(stderr, message)
  })
}

test("a stranger is refused at once by the process too", async (t) => {
  const { startNode } = await stage(t)
  const node = await startNode([...flags, "--file", "a", "--allow", "192.0.2.0/24"])
  assert.equal(await originalAgent(node.port, { a: "theirs" }), undefined)
  await node.wrote("stderr", /turned away 127\.0\.0\.1: its address is not on the allow-list/)
})

const configurations: [what: string, app: string, message: RegExp][] = [
  ["any other trust", "secrets: [a]", /fluxvault needs trust: discovered/],
  [
    "trust that is written out",
    "secrets: [a]\n    trust: pinned\n    pins: [x]",
    /fluxvault needs trust: discovered/,
  ],
  ["require_pq", "secrets: [a]\n    trust: discovered\n    require_pq: true", /require_pq/],
  ["actions", "secrets: [a]\n    trust: discovered\n    actions: [certificate]", /actions/],
  [
    "an as: that leaves the directory",
    "secrets: [{ secret: a, as: ../a }]\n    trust: discovered",
    /not a name for a file/,
  ],
  [
    "an as: that is absolute",
    "secrets: [{ secret: a, as: /a }]\n    trust: discovered",
    /not a name for a file/,
  ],
  [
    "an as: of a pattern",
    'secrets: [{ secret: "*", as: .env }]\n    trust: discovered',
    /a pattern has no other name/,
  ],
  [
    "two grants of one name",
    "secrets: [{ secret: a, as: .env }, { secret: b, as: .env }]\n    trust: discovered",
    /two of them have the name \.env/,
  ],
  [
    "an as: that is another grant",
    "secrets: [b, { secret: a, as: b }]\n    trust: discovered",
    /two of them have the name b/,
  ],
]
for (const [what, app, message] of configurations) {
  test(`an app with protocol: fluxvault and ${what} is an error with its line`, async (t) => {
    const { run, base } = await stage(t)
    const text = `secrets: { a: { env: A }, b: { env: B } }\napps:\n  web:\n    protocol: fluxvault\n    nodes: [127.0.0.1]\n    ${app}\n`
    await writeFile(join(base, "purser.yaml"), text)
    const { code, stderr } = await run(["agent", "--once"])
    assert.equal(code, 2, stderr)
    assert.match(stderr, message)
    assert.match(stderr, /purser\.yaml:\d+/)
  })
}

test("as: without protocol: fluxvault is an error", async (t) => {
  const { run, base } = await stage(t)
  await writeFile(
    join(base, "purser.yaml"),
    "secrets: { a: { env: A } }\napps: { web: { secrets: [{ secret: a, as: .env }], nodes: [127.0.0.1] } }\n",
  )
  const { code, stderr } = await run(["agent", "--once"])
  assert.equal(code, 2)
  assert.match(stderr, /as: has no meaning without protocol: fluxvault/)
})

test("a purser.yaml with as: serves .env, and purser check warns of the protocol", async (t) => {
  const { run, base } = await stage(t)
  const node = await originalNode(t, [".env", "quotes.txt"])
  await writeFile(join(base, ".env"), "A=1\n")
  await writeFile(
    join(base, "purser.yaml"),
    [
      "secrets:",
      "  dot-env: { file: ./.env }",
      '  "*": { dir: ./files }',
      "apps:",
      "  web:",
      "    protocol: fluxvault",
      "    trust: discovered",
      '    secrets: ["*", { secret: dot-env, as: .env }]',
      `    nodes: ["${node.address}"]`,
      "",
    ].join("\n"),
  )
  const { code, stderr } = await run(["agent", "--once"])
  assert.equal(code, 0, stderr)
  assert.deepEqual(Object.fromEntries(node.files), { ".env": "A=1\n", "quotes.txt": "to be or not to be\n" })
  const check = await run(["check"])
  assert.match(check.stderr, /web speaks FluxVault's protocol, in which no end proves who it is/)
})
