import assert from "node:assert/strict"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { createIdentity } from "../../../src/channel/identity.ts"
import { createToken, formatEnrolment } from "../../../src/channel/enrolment.ts"
import { home, type AgentSettings, type TestAgent } from "../../support/pair.ts"
import { processes, type RunningNode } from "../../support/processes.ts"
import { waitFor } from "../../support/wait.ts"

/** `purser node` as a process, served by an agent of this process. */

const fixture = join(import.meta.dirname, "../../fixtures/child.mjs")
const someEnrolment = formatEnrolment({ app: "web", agentPins: [createIdentity().pin], token: createToken() })

function diary(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []
}

async function stage(t: TestContext) {
  const cast = await processes(t)
  const place = await home(t)
  const enrolment = await place.enrol()
  const directory = join(cast.base, "secrets")
  const log = join(cast.base, "diary")
  return {
    ...cast,
    place,
    enrolment,
    directory,
    diary: () => diary(log),
    /** Waits until the application's diary holds these lines. */
    saw: (...lines: string[]) =>
      waitFor(`the diary to say ${lines.join(", ")}`, () => diary(log).join() === lines.join()),
    startNode: (argv: readonly string[], env: NodeJS.ProcessEnv = {}) =>
      cast.node(enrolment, ["--directory", directory, ...argv], { env }),
    application: (ending = "7") => ["--", process.execPath, fixture, log, ending],
    agentFor: (node: RunningNode, settings: AgentSettings = {}): Promise<TestAgent> =>
      place.agent({ nodes: [node.address], ...settings }),
  }
}

test("the command starts once the files are there, without PURSER_ variables, and its exit code is the node's", async (t) => {
  const { startNode, application, agentFor, diary: read, saw } = await stage(t)
  const node = await startNode(["--file", "db-password", ...application("7")], { PURSER_NAME: "web-1" })
  assert.deepEqual(read(), [], "not before its file is there")
  const agent = await agentFor(node)
  const [delivery] = await agent.round()
  assert.deepEqual([delivery?.status, delivery?.node], ["ok", "web-1"])
  await saw("start clean", "ready")
  assert.equal(await node.stop("SIGTERM"), 7)
  assert.deepEqual(read(), ["start clean", "ready", "SIGTERM"])
})

test("as long as a required file is missing the command does not start, and both ends say so", async (t) => {
  const { startNode, application, agentFor, diary: read, saw } = await stage(t)
  const files = ["--file", "db-password", "--file", "tls.key", "--file", "extra optional"]
  const node = await startNode([...files, ...application()])
  const agent = await agentFor(node, { app: { secrets: ["db-password", "tls.key", "extra"] } })
  const [delivery] = await agent.round()
  assert.match(delivery?.error?.message ?? "", /the node says that it failed: not delivered: tls\.key/)
  await node.wrote("stderr", /error: .*not delivered: tls\.key.*\nhint: /)
  assert.deepEqual(read(), [])
  agent.catalogue.set("tls.key", "key")
  assert.equal((await agent.round())[0]?.status, "ok")
  await saw("start clean", "ready")
})

test("a node whose files are there already starts its command without waiting for an agent", async (t) => {
  const { startNode, application, directory, saw } = await stage(t)
  await mkdir(directory)
  await writeFile(join(directory, "db-password"), "from before")
  await startNode(["--file", "db-password", ...application()])
  await saw("start clean", "ready")
})

for (const [reload, lines] of [
  ["HUP", ["SIGHUP"]],
  ["restart", ["SIGTERM", "start clean", "ready"]],
] as const) {
  test(`a change does what --reload ${reload} says to the command, and no change does nothing`, async (t) => {
    const { startNode, application, agentFor, saw } = await stage(t)
    const node = await startNode(["--reload", reload, ...application()])
    const agent = await agentFor(node)
    await agent.round()
    await saw("start clean", "ready")
    assert.equal((await agent.round())[0]?.matched, 1)
    agent.catalogue.set("db-password", "two")
    assert.equal((await agent.round())[0]?.sent, 1)
    await saw("start clean", "ready", ...lines)
  })
}

test("exec: runs beside the files without PURSER_ variables, and its failure is the delivery's, tried again next time", async (t) => {
  const { startNode, agentFor, base } = await stage(t)
  const log = join(base, "reloads")
  const command = `env | grep -c ^PURSER_ >> ${log}; test -e ${join(base, "works")}`
  const node = await startNode(["--reload", `exec:${command}`])
  const agent = await agentFor(node)
  assert.equal((await agent.round())[0]?.status, "ok", "nothing to reload at first")
  agent.catalogue.set("db-password", "two")
  const [failed] = await agent.round()
  assert.match(failed?.error?.message ?? "", /the reload exec:.* failed: it ended with exit code 1/)
  await writeFile(join(base, "works"), "")
  const [again] = await agent.round()
  assert.deepEqual([again?.status, again?.matched], ["ok", 1])
  assert.equal(await readFile(log, "utf8"), "0\n0\n")
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal(await readFile(log, "utf8"), "0\n0\n", "and then no more")
})

test("http: posts to its URL when files changed", async (t) => {
  const { startNode, agentFor } = await stage(t)
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    response.writeHead(204).end()
  }).listen(0, "127.0.0.1")
  t.after(() => server.close())
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const node = await startNode(["--reload", `http://127.0.0.1:${port}/reload`])
  const agent = await agentFor(node)
  await agent.round()
  agent.catalogue.set("db-password", "two")
  await agent.round()
  assert.deepEqual(requests, ["POST /reload"])
})

test("a reload that a kill interrupted stays pending, and runs at the next start", async (t) => {
  const { startNode, agentFor, base, directory } = await stage(t)
  const [go, started, log] = ["go", "started", "log"].map((name) => join(base, name))
  const argv = [
    "--file",
    "db-password",
    "--reload",
    `exec:if [ -e ${go} ]; then echo ran >> ${log}; else echo $$ > ${started}; exec sleep 60; fi`,
  ]
  const node = await startNode(argv)
  const agent = await agentFor(node)
  await agent.round()
  agent.catalogue.set("db-password", "two")
  const round = agent.round()
  const pid = await waitFor("the reload", () => diary(started ?? "")[0])
  t.after(() => process.kill(-Number(pid), "SIGKILL"))
  await node.stop("SIGKILL")
  assert.equal((await round)[0]?.status, "failed")
  await writeFile(go ?? "", "")
  const next = await startNode(argv)
  assert.match(next.stderr, /running the pending reload/)
  assert.deepEqual(diary(log ?? ""), ["ran"])
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "two")
  await next.stop()
  const last = await startNode(argv)
  assert.doesNotMatch(last.stderr, /owed/)
  assert.deepEqual(diary(log ?? ""), ["ran"], "once")
})

test("a command that does not exist ends the node with a clear error, and the agent is told", async (t) => {
  const { startNode, agentFor } = await stage(t)
  const node = await startNode(["--", "no-such-command", "--flag"])
  const agent = await agentFor(node)
  const [delivery] = await agent.round()
  assert.match(delivery?.error?.message ?? "", /the node says that it failed: cannot start no-such-command/)
  assert.equal(await node.exited, 1)
  assert.match(node.stderr, /error: cannot start no-such-command: .*\nhint: give the command after --/)
})

test("SIGTERM before the first delivery ends a node that has a command, which never starts", async (t) => {
  const { startNode, application, diary: read } = await stage(t)
  const node = await startNode(application())
  assert.equal(await node.stop("SIGTERM"), 0)
  assert.deepEqual(read(), [])
})

test("--once ends after the first complete delivery, which the agent sees as such, and not after an incomplete one", async (t) => {
  const { startNode, agentFor, directory } = await stage(t)
  const node = await startNode(["--once", "--file", "db-password", "--file", "tls.key"])
  const agent = await agentFor(node, { app: { secrets: ["db-password", "tls.key"] } })
  assert.equal((await agent.round())[0]?.status, "failed")
  assert.equal(node.child.exitCode, null)
  agent.catalogue.set("tls.key", "key")
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal(await node.exited, 0)
  assert.deepEqual((await readdir(directory)).toSorted(), ["db-password", "tls.key"])
})

test("--json writes one object per line, and plain lines are short", async (t) => {
  const { startNode, agentFor } = await stage(t)
  const node = await startNode(["--json", "--verbose"])
  const agent = await agentFor(node)
  await agent.round()
  await node.stop()
  const lines = node.stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { level: string; message: string })
  assert.ok(lines.some(({ message }) => message === "delivery complete"))
  assert.ok(lines.some(({ message }) => message === "sent: db-password"))
  assert.equal(node.stdout, "")
})

const refusals: [what: string, argv: string[], env: NodeJS.ProcessEnv, message: RegExp][] = [
  ["without an enrolment string", [], {}, /no enrolment string.*\nhint: run `purser enrol APP`/],
  ["with a damaged enrolment string", [], { PURSER_ENROL: `${someEnrolment}x` }, /error: .*enrolment string/],
  ["with an enrolment file that is not there", ["--enrol-file", "nowhere"], {}, /cannot read nowhere/],
  [
    "with a signal to send and nobody to send it to",
    ["--reload", "HUP"],
    { PURSER_ENROL: someEnrolment },
    /reload HUP needs a command/,
  ],
  [
    "with --once and a command",
    ["--once", "--", "true"],
    { PURSER_ENROL: someEnrolment },
    /--once and a command exclude each other/,
  ],
  [
    "with two file lines that meet",
    ["--directory", "/out", "--file", "a", "--file", "b path=/out/a"],
    { PURSER_ENROL: someEnrolment },
    /a and b both go to \/out\/a/,
  ],
  ["with a file line that leads elsewhere", ["--file", "../x"], { PURSER_ENROL: someEnrolment }, /\.\.\/x/],
  ["with an unknown option", ["--filez", "x"], { PURSER_ENROL: someEnrolment }, /Unknown option '--filez'/],
  ["with a name that is none", ["--name", "\u001b[2J"], { PURSER_ENROL: someEnrolment }, /is not a name/],
  [
    "with an allow-list that is none",
    ["--allow", "300.1.1.1/99"],
    { PURSER_ENROL: someEnrolment },
    /300\.1\.1\.1/,
  ],
  [
    "at an address that is none",
    ["--listen", "here"],
    { PURSER_ENROL: someEnrolment },
    /cannot listen on here/,
  ],
]
for (const [what, argv, env, message] of refusals) {
  test(`a node ${what} is refused with exit code 2 and a hint`, async (t) => {
    const { run } = await processes(t)
    const { code, stderr, stdout } = await run(["node", ...argv], { env })
    assert.equal(code, 2)
    assert.match(stderr, message)
    assert.match(stderr, /\nhint: /)
    assert.equal(stdout, "")
    const token = someEnrolment.split(".")[3] ?? ""
    assert.ok(!stderr.includes(token.slice(0, 20)), "the token stands in no message")
    assert.doesNotMatch(stderr, /(?!\n)\p{Cc}/u)
  })
}

test("an enrolment string as argument is refused, and not repeated", async (t) => {
  const { run } = await processes(t)
  const { code, stderr } = await run(["node", someEnrolment])
  assert.equal(code, 2)
  assert.match(stderr, /hint: .*never as an argument/)
  assert.ok(!stderr.includes(someEnrolment.slice(8, 30)))
})

test("an enrolment file inside the volume that the node fills is refused, also through a link", async (t) => {
  const { run, base } = await processes(t)
  const volume = join(base, "volume")
  await mkdir(join(volume, "sub"), { recursive: true })
  const file = join(volume, "sub", "enrol")
  await writeFile(file, someEnrolment)
  const env = { PURSER_ENROL_FILE: file, PURSER_DIRECTORY: volume }
  const { code, stderr } = await run(["node"], { env })
  assert.equal(code, 2)
  assert.match(stderr, /is in .*volume, which this node writes to.*\nhint: /)
  const other = join(base, "alias")
  await symlink(volume, other)
  const through = await run(["node"], { env: { ...env, PURSER_ENROL_FILE: join(other, "sub", "enrol") } })
  assert.equal(through.code, 2)
  const up = await run(["node"], {
    env: { ...env, PURSER_ENROL_FILE: join(volume, "..", "volume", "sub", "enrol") },
  })
  assert.equal(up.code, 2)
})

test("the enrolment string comes from a file beside the volume, with its newline", async (t) => {
  const { enrolment, node: startNode, base, place } = await stage(t)
  const file = join(base, "enrol")
  await writeFile(file, `${enrolment}\n`)
  const directory = join(base, "out")
  const node = await startNode("", ["--directory", directory], {
    env: { PURSER_ENROL: undefined, PURSER_ENROL_FILE: file },
  })
  const agent = await place.agent({ nodes: [node.address] })
  assert.equal((await agent.round())[0]?.status, "ok")
})

test("a port in use is an error with the port, and no status is left behind", async (t) => {
  const { startNode, run, enrolment, base } = await stage(t)
  const node = await startNode([])
  const status = join(base, "status.json")
  const { code, stderr } = await run(["node", "--listen", node.address, "--status", status], {
    env: { PURSER_ENROL: enrolment },
  })
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`cannot listen on 127.0.0.1 port ${node.port}.*\nhint: another program`))
  assert.equal(existsSync(status), false)
})

test("an identity that others can read is refused, and one that is kept stays the same", async (t) => {
  const { startNode, run, enrolment, base } = await stage(t)
  const identity = join(base, "identity.pem")
  const pinOf = async (): Promise<string | undefined> => {
    const node = await startNode(["--identity", identity])
    await node.stop()
    return /pin=(sha256:\S+)/.exec(node.stderr)?.[1]
  }
  const pin = await pinOf()
  assert.ok(pin)
  assert.equal(await pinOf(), pin)
  await chmod(identity, 0o640)
  const { code, stderr } = await run(["node", "--identity", identity], { env: { PURSER_ENROL: enrolment } })
  assert.equal(code, 2)
  assert.match(stderr, /identity\.pem/)
})

for (const list of [true, false]) {
  test(`health fails before the first delivery and after a file is gone, and is good between; ${list ? "with" : "without"} a list`, async (t) => {
    const { startNode, agentFor, run, base, directory } = await stage(t)
    const status = join(base, "status.json")
    const health = async (): Promise<[code: number | null, stderr: string]> => {
      const { code, stderr } = await run(["health"], {
        env: { PURSER_STATE: undefined, PURSER_STATUS: status },
      })
      return [code, stderr]
    }
    const before = await health()
    assert.equal(before[0], 1)
    assert.match(before[1], /no status file/)
    const node = await startNode(list ? ["--file", "db-password", "--file", "extra optional"] : [], {
      PURSER_STATUS: status,
    })
    assert.match((await health())[1], list ? /not in place: .*db-password/ : /no delivery was complete yet/)
    const agent = await agentFor(node)
    await agent.round()
    assert.deepEqual(await health(), [0, ""])
    await rm(join(directory, "db-password"))
    const [code, stderr] = await health()
    assert.equal(code, 1)
    assert.match(stderr, /not in place: .*db-password/)
    await agent.round()
    assert.deepEqual(await health(), [0, ""])
    await node.stop()
    assert.equal((await health())[0], 1, "a node that was stopped is not healthy")
  })
}
