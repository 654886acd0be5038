import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { test, type TestContext } from "node:test"
import { createAgent } from "../../src/wiring/create-agent.ts"
import { agentPins } from "../../src/state/identity-files.ts"
import { openStateDir } from "../../src/state/open.ts"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { formatEnrolment } from "../../src/channel/enrolment.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"
import { exited } from "../support/ended.ts"

const examples = join(import.meta.dirname, "../../examples")

function start(t: TestContext, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [join(examples, program), ...args], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async (): Promise<string> => ((await lines.next()) as IteratorResult<string, string>).value
  return { child, line }
}

/** The enrolment string of the app web, before an agent has the state. */
async function enrolmentIn(state: string): Promise<string> {
  await using opened = await openStateDir(state, silentLog)
  return formatEnrolment({
    app: "web",
    agentPins: await agentPins(state),
    token: opened.state.tokens.current("web"),
  })
}

test("a node makes a key, sends a request, and gets back a certificate that the agent signed", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const dir = await tempDir(t)
  const state = join(dir, "state")
  const files = join(dir, "files")
  await mkdir(state, { mode: 0o700 })
  await mkdir(files)

  const node = start(t, "certificate/node.ts", [files, "0"], { PURSER_ENROL: await enrolmentIn(state) })
  const agent = start(t, "certificate/agent.ts", [state, await node.line()])
  assert.match(await agent.line(), /^purser1\.web\./)
  agent.child.stdin.write("go\n")
  assert.equal(await agent.line(), "ok")
  assert.equal(await exited(agent.child), 0)
  assert.equal(await exited(node.child), 0)

  const certificate = new X509Certificate(await readFile(join(files, "tls.crt")))
  const authority = new X509Certificate(await readFile(join(files, "ca.crt")))
  assert.ok(certificate.verify(authority.publicKey), "signed by the agent's CA")
  assert.equal(certificate.subjectAltName, "DNS:front.web.internal")
  const key = await readFile(join(files, "tls.key"), "utf8")
  assert.ok(
    certificate.checkPrivateKey((await import("node:crypto")).createPrivateKey(key)),
    "for the node's own key",
  )
  const audit = await readFile(join(state, "audit.log"), "utf8")
  assert.match(audit, /"kind":"delivered".*"action":"certificate"/)
})

test("a web application holds a node on its own port, and takes a new password without a restart", async (t) => {
  const state = join(await tempDir(t), "state")
  await mkdir(state, { mode: 0o700 })
  const web = start(t, "web-app/server.ts", ["0"], { PURSER_ENROL: await enrolmentIn(state) })
  const address = await web.line()
  const visit = async (): Promise<string> => await (await fetch(`http://${address}/`)).text()
  assert.equal(await visit(), "waiting for the password\n")

  let password = new Secret("swordfish")
  await using agent = await createAgent({
    state,
    secrets: { "db-password": async () => password },
    apps: { web: { secrets: ["db-password"], nodes: [address] } },
  })
  const [first] = await agent.round()
  assert.equal(first?.status, "ok")
  assert.equal(await visit(), "ready, with a password of 9 bytes\n")
  const [second] = await agent.round()
  assert.deepEqual([second?.status, second?.sent, second?.matched], ["ok", 0, 1])

  password = new Secret("swordfish-2")
  const [third] = await agent.round()
  assert.equal(third?.sent, 1)
  assert.equal(await visit(), "ready, with a password of 11 bytes\n")

  const stop = new AbortController()
  const running = agent.run(stop.signal)
  password = new Secret("swordfish-three")
  agent.changed("db-password")
  await waitFor("the password that the application changed", async () => (await visit()).includes("15 bytes"))
  stop.abort()
  await running
})
