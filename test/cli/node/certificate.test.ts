import assert from "node:assert/strict"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { silentLog } from "../../../src/base/log.ts"
import { Secret } from "../../../src/base/secret.ts"
import { Ca } from "../../../src/ca/ca.ts"
import { configOf, keysOf, signal } from "../../ca/state.ts"
import { assertNoLeaks, createMarker } from "../../support/leaks.ts"
import { processes } from "../../support/processes.ts"
import { waitFor } from "../../support/wait.ts"

async function made(t: TestContext) {
  const cast = await processes(t)
  const { base, stateDir } = cast
  const marker = createMarker()
  await writeFile(join(base, "pass"), `${marker}\n`, { mode: 0o600 })
  const ca = new Ca({
    stateDir,
    config: configOf(),
    keys: keysOf(stateDir),
    passphrase: async () => new Secret(marker),
    log: silentLog,
  })
  t.after(() => ca[Symbol.asyncDispose]())
  await ca.init(signal)
  return { cast, base, stateDir, ca, marker }
}

test("purser node has a certificate signed by purser agent, without a line of code", async (t) => {
  const { cast, base, stateDir, ca, marker } = await made(t)
  const out = join(base, "out")
  const node = await cast.node(await cast.purser(["enrol", "web"]), [
    "--certificate",
    "www dns=shop.lan",
    "--directory",
    out,
    "--name",
    "front",
  ])
  await writeFile(
    join(base, "purser.yaml"),
    [
      "ca: { passphrase_file: ./pass, keys: { leaf: p384 } }",
      "apps:",
      "  web:",
      "    actions: [certificate]",
      "    certificate: { ca: web, dns: [shop.lan], days: 30 }",
      `    nodes: ["${node.address}"]`,
    ].join("\n"),
  )
  const round = await cast.run(["agent", "--once"])
  assert.equal(round.code, 0, round.stderr)
  const read = (name: string): Promise<string> => readFile(join(out, "www", name), "utf8")
  const leaf = new X509Certificate(await read("tls.crt"))
  assert.equal(leaf.subjectAltName, "DNS:shop.lan")
  assert.ok(leaf.checkPrivateKey(createPrivateKey(await read("tls.key"))))
  assert.equal(await read("ca.crt"), await ca.root())
  assert.ok((await ca.find("web/front"))?.certificate.includes(leaf.toString().trim()))
  const second = await cast.run(["agent", "--once"])
  assert.equal(second.code, 0, second.stderr)
  assert.equal((await ca.list({ all: true })).length, 1, "it asks again when it is due")
  await node.stop()
  assertNoLeaks(
    [marker],
    [...cast.said, { name: "audit log", content: await readFile(join(stateDir, "audit.log")) }],
  )
})

test("a running agent takes a configuration that issues only when it could issue", async (t) => {
  if (process.platform === "win32") return t.skip("no SIGHUP")
  const { cast, base, marker } = await made(t)
  const configure = async (more: string): Promise<void> => {
    await writeFile(
      join(base, "purser.yaml"),
      `ca: { passphrase_file: ./pass }\nsecrets: { "x/*": { dir: ./x }, ${more} }\napps: { web: { secrets: ["x/*", ${more === "" ? "" : '"www/*"'}], directory: ./out } }\n`,
    )
  }
  await mkdir(join(base, "x"))
  await writeFile(join(base, "x/a"), "1")
  await configure("")
  const agent = cast.start(["agent", "--json"])
  await agent.wrote("stdout", /"type":"delivery"/)
  await writeFile(join(base, "pass"), "wrong\n")
  await configure("www: { ca: www, dns: [shop.lan] }")
  agent.child.kill("SIGHUP")
  await agent.wrote("stderr", /the configuration stays as it was: the passphrase does not open/)
  await writeFile(join(base, "pass"), `${marker}\n`)
  agent.child.kill("SIGHUP")
  await agent.wrote("stderr", /issued the certificate www/)
  const file = join(base, "out/www/tls.crt")
  await waitFor("the certificate", async () => (await readFile(file, "utf8").catch(() => "")) !== "")
  assert.equal(new X509Certificate(await readFile(file)).subjectAltName, "DNS:shop.lan")
  assert.equal(await agent.stop(), 0)
})
