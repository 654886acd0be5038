import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { chmod, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { promisify } from "node:util"
import { PurserError } from "../../src/base/errors.ts"
import { parseCertificateLines } from "../../src/node/certificate-line.ts"
import { filesStep } from "../../src/node/files-step.ts"
import { testLog } from "../support/pair.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

const run = promisify(execFile)
const day = 24 * 60 * 60 * 1000

/** An agent that signs every request with the real openssl, unless `ask` replaces it. */
async function stage(t: TestContext, line = "www dns=shop.lan ip=192.0.2.7") {
  const directory = await tempDir(t)
  const authority = await tempDir(t)
  const at = (name: string): string => join(authority, name)
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at("ca.key")]
  await run("openssl", ["req", "-x509", ...key, "-subj", "/CN=root", "-out", at("ca.crt"), "-days", "3000"])
  const { log, lines } = testLog()
  let requests = 0
  const reloads: string[] = []

  async function sign(
    csr: string,
    { days = 30, names = "" } = {},
  ): Promise<{ certificate: string; ca: string }> {
    await writeFile(at("csr"), csr)
    await writeFile(at("ext"), names)
    const copied = names === "" ? ["-copy_extensions", "copy"] : ["-extfile", at("ext")]
    const by = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-set_serial", String(++requests)]
    await run("openssl", [
      "x509",
      "-req",
      "-in",
      at("csr"),
      "-out",
      at("crt"),
      "-days",
      String(days),
      ...by,
      ...copied,
    ])
    return { certificate: await readFile(at("crt"), "utf8"), ca: await readFile(at("ca.crt"), "utf8") }
  }

  const agent = {
    signal: new AbortController().signal,
    list: async () => ({ secrets: [], actions: [] }),
    file: async () => ({ status: "missing" }) as const,
    ask: async (action: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown> => {
      assert.equal(action, "certificate")
      return await sign(String(parameters?.["csr"]))
    },
  }
  const step = filesStep({
    directory,
    certificates: parseCertificateLines(line),
    reload: { kind: "exec", command: "true" },
    runReload: async () => void reloads.push("reload"),
    log,
  })
  return {
    agent,
    step,
    sign,
    reloads,
    lines,
    requests: () => requests,
    read: (name: string) => readFile(join(directory, "www", name), "utf8"),
    path: (name: string) => join(directory, "www", name),
  }
}

test("asks for a certificate once, writes it with its key, and keeps it in the next session", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent, read, path, requests, reloads } = await stage(t)
  assert.deepEqual(await step(agent), { written: 3, unchanged: 0, missing: 0 })
  const certificate = new X509Certificate(await read("tls.crt"))
  assert.equal(certificate.subjectAltName, "DNS:shop.lan, IP Address:192.0.2.7")
  assert.ok(certificate.checkPrivateKey(createPrivateKey(await read("tls.key"))))
  assert.match(await read("ca.crt"), /BEGIN CERTIFICATE/)
  assert.equal((await stat(path("tls.key"))).mode & 0o777, 0o400)
  assert.deepEqual(await step(agent), { written: 0, unchanged: 3, missing: 0 })
  assert.equal(requests(), 1)
  assert.equal(reloads.length, 0, "nobody used the files before they were complete")
})

test("never sends the key to the agent", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent, read } = await stage(t)
  const sent: string[] = []
  const ask = async (action: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown> => {
    sent.push(JSON.stringify([action, parameters]))
    return await agent.ask(action, parameters)
  }
  await step({ ...agent, ask })
  const key = createPrivateKey(await read("tls.key")).export({ format: "jwk" })
  const secret = Buffer.from(key.d ?? "", "base64url")
  assert.equal(sent.length, 1)
  assert.ok(
    !Buffer.from(String((JSON.parse(sent[0] ?? "") as [string, { csr: string }])[1].csr)).includes(secret),
  )
  assert.ok(!sent.join().includes("PRIVATE"))
})

test("renews a certificate after two thirds of its life, with a new key and one reload", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent, read, requests, reloads } = await stage(t)
  await step(agent)
  const [oldKey, oldCertificate] = [await read("tls.key"), await read("tls.crt")]
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 19 * day })
  assert.deepEqual(await step(agent), { written: 0, unchanged: 3, missing: 0 })
  t.mock.timers.setTime(Date.now() + 2 * day)
  assert.equal((await step(agent)).written, 2, "the root is the same")
  assert.equal(requests(), 2)
  assert.notEqual(await read("tls.key"), oldKey)
  assert.notEqual(await read("tls.crt"), oldCertificate)
  assert.equal(reloads.length, 1)
})

test("keeps the certificate in place until it expires when its renewal is refused", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent, read, lines } = await stage(t)
  await step(agent)
  const before = await read("tls.crt")
  const refusing = {
    ...agent,
    ask: async () => {
      throw new PurserError("ERR_NOT_GRANTED", "the agent does not grant the action certificate")
    },
  }
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 25 * day })
  assert.deepEqual(await step(refusing), { written: 0, unchanged: 3, missing: 0 })
  assert.match(lines.join(""), /error: .*www: the agent does not grant the action certificate/)
  assert.equal(await read("tls.crt"), before)
  t.mock.timers.setTime(Date.now() + 10 * day)
  await assert.rejects(step(refusing), { code: "ERR_DELIVERY", message: /www\/tls\.crt, www\/tls\.key/ })
  assert.equal(await read("tls.crt"), before)
})

test("asks for a new certificate when the key does not fit or a name is missing", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent, read, path, requests, sign } = await stage(t)
  await step(agent)
  const key = await read("tls.key")
  await chmod(path("tls.key"), 0o600)
  await writeFile(path("tls.key"), "damaged")
  await step(agent)
  assert.equal(requests(), 2)
  assert.notEqual(await read("tls.key"), key)
  assert.equal((await stat(path("tls.key"))).mode & 0o777, 0o400)
  const short = {
    ...agent,
    ask: async (_: string, all?: Readonly<Record<string, unknown>>) =>
      await sign(String(all?.["csr"]), { names: "subjectAltName=DNS:shop.lan" }),
  }
  await writeFile(path("ca.crt"), "")
  // The valid certificate is not replaced by one that lacks a name.
  await step(short).catch(() => {})
  assert.match(new X509Certificate(await read("tls.crt")).subjectAltName ?? "", /192\.0\.2\.7/)
})

test("corrects a changed mode without a new certificate", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent, read, path, requests } = await stage(t)
  await step(agent)
  const key = await read("tls.key")
  await chmod(path("tls.key"), 0o644)
  await step(agent)
  assert.equal(requests(), 1)
  assert.equal(await read("tls.key"), key)
  assert.equal((await stat(path("tls.key"))).mode & 0o777, 0o400)
})

test("refuses an answer without a certificate for this key and these names, and writes nothing", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent, sign, path, lines } = await stage(t)
  const other = await stage(t)
  await other.step(other.agent)
  const foreign = { certificate: await other.read("tls.crt"), ca: await other.read("ca.crt") }
  const csrOf = (all?: Readonly<Record<string, unknown>>): string => String(all?.["csr"])
  type Ask = (action: string, parameters?: Readonly<Record<string, unknown>>) => Promise<unknown>
  const cases: readonly (readonly [Ask, RegExp])[] = [
    [async () => null, /holds no certificate/],
    [async () => ({ certificate: "x", ca: "y" }), /holds no certificate/],
    [
      async (_, all) => ({ ...(await sign(csrOf(all))), ca: "-----BEGIN CERTIFICATE-----" }),
      /holds no certificate/,
    ],
    [
      async (_, all) => ({ certificate: (await sign(csrOf(all))).certificate.repeat(200), ca: foreign.ca }),
      /holds no certificate/,
    ],
    [async () => foreign, /is for another key/],
    [async (_, all) => await sign(csrOf(all), { names: "subjectAltName=DNS:evil.lan" }), /lacks shop\.lan/],
    [
      async (_, all) => await sign(csrOf(all), { names: "subjectAltName=DNS:shop.lan" }),
      /lacks 192\.0\.2\.7/,
    ],
  ]
  for (const [ask, message] of cases) {
    lines.length = 0
    await assert.rejects(step({ ...agent, ask }), { code: "ERR_DELIVERY" })
    assert.match(lines.join(""), message)
    await assert.rejects(stat(path("tls.key")), { code: "ENOENT" })
  }
})

test("fails the whole session when the connection is lost", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { step, agent } = await stage(t)
  const ask = async () => {
    throw new PurserError("ERR_UNREACHABLE", "the connection was lost")
  }
  await assert.rejects(step({ ...agent, ask }), { code: "ERR_UNREACHABLE" })
})
