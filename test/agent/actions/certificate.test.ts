import assert from "node:assert/strict"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { rm, writeFile } from "node:fs/promises"
import { test, type TestContext } from "node:test"
import { isPurserError, type ErrorCode } from "../../../src/base/errors.ts"
import { startTestNode, type TestNode } from "../../support/pair.ts"
import { requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"
import { caStage, opensslRequest } from "../certificate-support.ts"

const policy = { ca: "web", dns: [".lan"], days: 30 }
const web = { actions: ["certificate"], certificate: policy }

interface Answer {
  certificate: string
  ca: string
}

function messageOf(answer: Answer | Error | undefined): string {
  return answer instanceof Error ? answer.message : "an answer"
}

/** A node that sends these requests in one session, and what it got for each. */
async function asked(t: TestContext, csrs: readonly unknown[]) {
  const stage = await caStage(t)
  const agent = await stage.agent({ apps: { web } })
  const enrolment = await agent.enrol("web")
  await agent[Symbol.asyncDispose]()
  const answers: (Answer | Error)[] = []
  const node: TestNode = await startTestNode(t, enrolment, {
    name: "front",
    async steps(session) {
      for (const csr of csrs) {
        answers.push(
          await session.ask("certificate", { csr }).then(
            (one) => one as Answer,
            (error: Error) => error,
          ),
        )
      }
    },
  })
  const serving = await stage.agent({ apps: { web: { ...web, nodes: [node.address] } } })
  const [delivery] = await serving.round()
  assert.equal(delivery?.status, "ok", delivery?.error?.message)
  return { ...stage, answers }
}

test("a node gets a certificate for a key that never leaves it, and the audit log says which", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { csr, key } = await opensslRequest(await tempDir(t), {
    names: "DNS:front.lan",
    extensions: ["extendedKeyUsage=codeSigning"],
  })
  const { ca, answers, audit } = await asked(t, [csr])
  const [answer] = answers
  assert.ok(answer !== undefined && "certificate" in answer, messageOf(answer))
  const leaf = new X509Certificate(answer.certificate)
  assert.equal(leaf.subjectAltName, "DNS:front.lan")
  assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"], "for a server, whatever the request says")
  assert.ok(leaf.checkPrivateKey(createPrivateKey(key)))
  assert.equal(answer.certificate.match(/BEGIN CERTIFICATE/g)?.length, 2)
  assert.equal(answer.ca, await ca.root())
  const days = (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 86_400_000
  assert.ok(days > 29.9 && days < 30.1, String(days))
  const record = await ca.find("web/front")
  assert.equal(record?.origin, "signed")
  const lines = await audit()
  const signed = lines.find(({ kind }) => kind === "signed")
  assert.deepEqual(
    [signed?.["app"], signed?.["node"], signed?.["certificate"], signed?.["serial"], signed?.["names"]],
    ["web", "front", "web/front", record?.serial, "front.lan"],
  )
  const delivered = lines.find(({ kind, action }) => kind === "delivered" && action === "certificate")
  assert.ok(Number(delivered?.["seq"]) > Number(signed?.["seq"]))
})

test("what is wrong with a request, or outside the policy, is refused, told and audited", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const directory = await tempDir(t)
  const { csr } = await opensslRequest(directory, { names: "DNS:front.lan" })
  const other = await opensslRequest(directory, { names: "DNS:front.example" })
  const address = await opensslRequest(directory, { names: "DNS:front.lan,IP:192.0.2.1" })
  const weak = await opensslRequest(directory, { key: ["rsa:1024"] })
  const authority = await opensslRequest(directory, { extensions: ["basicConstraints=critical,CA:TRUE"] })
  const nobody = await opensslRequest(directory, { names: "" })
  const bytes = Buffer.from(csr.replaceAll(/-----.*-----/g, ""), "base64")
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  const torn = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`
  const cases: [unknown, RegExp][] = [
    [undefined, /csr is not a certificate request/],
    [7, /csr is not a certificate request/],
    ["x".repeat(20_000), /csr is not a certificate request/],
    ["nonsense", /cannot be read/],
    [torn, /signature is invalid/],
    [other.csr, /does not allow dns "front\.example"/],
    [address.csr, /does not allow ip "192\.0\.2\.1"/],
    [weak.csr, /1024|weak|2048/],
    [authority.csr, /CA certificate/],
    [nobody.csr, /at least one name/],
  ]
  const { ca, answers, audit } = await asked(
    t,
    cases.map(([one]) => one),
  )
  for (const [index, [, message]] of cases.entries()) {
    const answer = answers[index]
    assert.ok(isPurserError(answer, "ERR_ACTION"), `${index}: ${messageOf(answer)}`)
    assert.match(answer.message, message)
  }
  assert.deepEqual(await ca.list({ all: true }), [])
  const failed = (await audit()).filter(({ kind, action }) => kind === "failed" && action === "certificate")
  assert.equal(failed.length, cases.length)
  assert.match(String(failed[5]?.["reason"]), /front\.example/)
})

test("a node has ten certificates an hour, and no more", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { csr } = await opensslRequest(await tempDir(t))
  const { ca, answers } = await asked(
    t,
    Array.from({ length: 12 }, () => csr),
  )
  assert.deepEqual(
    answers.map((answer) => "certificate" in answer),
    Array.from({ length: 12 }, (_, index) => index < 10),
  )
  assert.match(messageOf(answers[10]), /more than 10 certificates/)
  assert.equal((await ca.list({ all: true })).length, 10)
})

test("what is wrong at the agent is not told to the node", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { csr } = await opensslRequest(await tempDir(t))
  const stage = await caStage(t)
  const agent = await stage.agent({ apps: { web } })
  const enrolment = await agent.enrol("web")
  await agent[Symbol.asyncDispose]()
  let answer: unknown
  const node = await startTestNode(t, enrolment, {
    async steps(session) {
      answer = await session.ask("certificate", { csr }).catch((error: unknown) => error)
    },
  })
  const serving = await stage.agent({ apps: { web: { ...web, nodes: [node.address] } } })
  await rm(`${stage.stateDir}/ca/intermediate.crt`)
  await serving.round()
  assert.ok(isPurserError(answer, "ERR_ACTION"))
  assert.ok(!answer.message.includes(stage.stateDir), answer.message)
  assert.match(stage.log.text(), /intermediate\.crt is missing/)
})

async function refuses(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isPurserError(error, code), String(error))
    assert.match(error.message, message)
    assert.notEqual(error.hint, undefined)
    return true
  })
}

test("an agent that could not sign does not start", async (t) => {
  const { agent, passphraseFile } = await caStage(t)
  await refuses(agent({ apps: { web }, ca: {} }), "ERR_CONFIG", /needs ca\.passphrase_file/)
  const secrets = { www: { ca: "www", dns: ["shop.lan"] } }
  await refuses(agent({ secrets, ca: {} }), "ERR_CONFIG", /needs ca\.passphrase_file/)
  await writeFile(passphraseFile, "wrong\n")
  await refuses(agent({ apps: { web } }), "ERR_PASSPHRASE", /passphrase does not open/)
  await refuses(agent({ secrets }), "ERR_PASSPHRASE", /passphrase does not open/)
  // Gives what is there by hand, for which nothing has to be opened.
  await agent({ secrets: { www: { ca: "www" } } })
})

test("the action and its policy come together, unless the action is the program's own", async (t) => {
  const { agent } = await caStage(t)
  const bare = { web: { actions: ["certificate"] } }
  await refuses(agent({ apps: bare }), "ERR_CONFIG", /certificate needs certificate: beside it/)
  await refuses(agent({ apps: { web: { certificate: policy } } }), "ERR_CONFIG", /needs the action beside it/)
  const actions = { certificate: async () => ({}) }
  await refuses(agent({ apps: { web }, actions }), "ERR_CONFIG", /its own action certificate/)
  await agent({ apps: bare, actions })
})

test("warns where nodes are served too seldom for the days of their certificates", async (t) => {
  const { agent, log } = await caStage(t)
  const short = { ...web, certificate: { ...policy, days: 1 } }
  const first = await agent({ apps: { web: short }, every: "3h" })
  await first.round()
  assert.doesNotMatch(log.text(), /too late/)
  await first[Symbol.asyncDispose]()
  const second = await agent({ apps: { web: short }, every: "5h" })
  await second.round()
  assert.match(log.text(), /web may be too late for its certificates of 1 days/)
})
