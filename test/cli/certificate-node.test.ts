import assert from "node:assert/strict"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { Ca } from "../../src/ca/ca.ts"
import { configOf, keysOf, signal } from "../ca/state.ts"
import { assertNoLeaks, createMarker } from "../support/leaks.ts"
import { processes } from "../support/processes.ts"

test("purser node has a certificate signed by purser agent, without a line of code", async (t) => {
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
