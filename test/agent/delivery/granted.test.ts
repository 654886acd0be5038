import assert from "node:assert/strict"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { grantedSecrets } from "../../../src/agent/delivery/granted.ts"
import { SecretCache } from "../../../src/agent/delivery/secret-cache.ts"
import { silentLog } from "../../../src/base/log.ts"
import type { Catalogue } from "../../../src/sources/catalogue.ts"
import { createCatalogue } from "../../../src/sources/open-catalogue.ts"
import type { SourceSpec } from "../../../src/sources/kinds.ts"
import { SecretStore } from "../../../src/sources/store/store.ts"
import { configOf } from "../../ca/state.ts"
import { appConfig, startTestNode } from "../../support/pair.ts"
import { tempDir } from "../../support/temp.ts"
import { waitFor } from "../../support/wait.ts"
import { caStage } from "../certificate-support.ts"

const { signal } = new AbortController()
const secrets = { www: { ca: "www", dns: ["shop.lan"] } }

function belong(certificate: string | undefined, key: string | undefined): boolean {
  return new X509Certificate(certificate ?? "").checkPrivateKey(createPrivateKey(key ?? ""))
}

/** The catalogue of an agent, over the CA of the stage. */
async function catalogueOf(t: TestContext) {
  const stage = await caStage(t)
  const ask = { dns: ["shop.lan"], ip: [], email: [], client: false }
  const www: SourceSpec = { kind: "ca", name: "www", certificate: ask }
  const plain = { passphraseFile: undefined, recipients: undefined, identityFile: undefined }
  const store = new SecretStore({ stateDir: stage.stateDir, config: plain, maxBytes: 65_536 })
  const given: Record<string, SourceSpec> = { www, "www/other": { kind: "env", variable: "OTHER" } }
  const catalogue = createCatalogue(
    { secrets: given, ca: configOf(), secretBytes: 65_536 },
    { store: () => store, ca: () => stage.ca, env: { OTHER: "another secret" }, log: silentLog },
  )
  t.after(() => catalogue[Symbol.asyncDispose]())
  return { ...stage, catalogue }
}

const text = async (from: Pick<Catalogue, "read">, name: string): Promise<string | undefined> =>
  (await from.read(name, signal))?.revealText()

test("a delivery has one version of a set, and the next delivery the next", async (t) => {
  const { ca, catalogue } = await catalogueOf(t)
  const cache = new SecretCache(catalogue, 60_000, signal)
  const app = appConfig("web", { secrets: ["www/*"] })
  const view = grantedSecrets(app, catalogue, cache)
  assert.deepEqual(await view.names(signal), ["www/ca.crt", "www/other", "www/tls.crt", "www/tls.key"])
  const certificate = await text(view, "www/tls.crt")
  await ca.renew("www", signal)
  cache.forget(["www/tls.crt", "www/tls.key", "www/ca.crt"])
  const next = grantedSecrets(app, catalogue, cache)
  const key = await text(next, "www/tls.key")
  assert.ok(belong(certificate, await text(view, "www/tls.key")))
  assert.ok(!belong(certificate, key))
  assert.ok(belong(await text(next, "www/tls.crt"), key))
  assert.equal(await text(view, "www/other"), "another secret")
  assert.equal(await view.read("www/tls.p12", signal), null)
})

test("of a set, only what is granted is given", async (t) => {
  const { catalogue } = await catalogueOf(t)
  const cache = new SecretCache(catalogue, 60_000, signal)
  const view = grantedSecrets(appConfig("web", { secrets: ["www/ca.crt"] }), catalogue, cache)
  assert.deepEqual(await view.names(signal), ["www/ca.crt"])
  assert.match((await text(view, "www/ca.crt")) ?? "", /BEGIN CERTIFICATE/)
  await assert.rejects(view.read("www/tls.key", signal), /not granted/)
})

test("a set that could not be read is not read in halves", async (t) => {
  const { catalogue } = await catalogueOf(t)
  let fails = true
  const flaky: Catalogue = {
    read: (name, limit) => catalogue.read(name, limit),
    check: (name, limit) => catalogue.check(name, limit),
    names: (grants, limit) => catalogue.names(grants, limit),
    watch() {},
    groupOf: (name) => {
      const set = catalogue.groupOf(name)
      if (set === undefined) return undefined
      return {
        id: set.id,
        async read(limit) {
          if (fails) throw new Error("once")
          return await set.read(limit)
        },
      }
    },
    async [Symbol.asyncDispose]() {},
  }
  const cache = new SecretCache(flaky, 60_000, signal)
  const app = appConfig("web", { secrets: ["www/*"] })
  const view = grantedSecrets(app, flaky, cache)
  await assert.rejects(view.read("www/tls.crt", signal), /once/)
  fails = false
  await assert.rejects(view.read("www/tls.key", signal), /once/)
  assert.notEqual(await text(grantedSecrets(app, flaky, cache), "www/tls.key"), undefined)
})

test("a session that asks before and after a renewal gets one certificate with its key", async (t) => {
  const stage = await caStage(t)
  const agent = await stage.agent({ secrets, apps: { web: { secrets: ["www/*"] } } })
  const enrolment = await agent.enrol("web")
  await agent[Symbol.asyncDispose]()
  const pairs: [string | undefined, string | undefined][] = []
  const node = await startTestNode(t, enrolment, {
    async steps(session) {
      const file = async (name: string): Promise<string | undefined> => {
        const fetched = await session.file(name)
        return fetched.status === "sent" ? fetched.content.revealText() : fetched.status
      }
      const certificate = await file("www/tls.crt")
      if (pairs.length === 0) {
        await stage.ca.renew("www", signal)
        serving.changed("www/tls.crt", "www/tls.key", "www/ca.crt")
      }
      pairs.push([certificate, await file("www/tls.key")])
    },
  })
  const serving = await stage.agent({ secrets, apps: { web: { secrets: ["www/*"], nodes: [node.address] } } })
  await serving.round()
  await serving.round()
  assert.deepEqual(
    pairs.map(([certificate, key]) => belong(certificate, key)),
    [true, true],
  )
  assert.notEqual(pairs[0]?.[0], pairs[1]?.[0])
})

test("a directory is filled with a set, and again when another process renews it", async (t) => {
  const stage = await caStage(t)
  const directory = join(await tempDir(t), "out")
  const agent = await stage.agent({ secrets, apps: { web: { secrets: ["www/*"], directory } } })
  const read = (name: string): Promise<string> => readFile(join(directory, "www", name), "utf8")
  const ends = new AbortController()
  const running = agent.run(ends.signal)
  t.after(async () => {
    ends.abort()
    await running
  })
  const deliveries = async (): Promise<number> =>
    (await stage.audit()).filter(({ kind, secret }) => kind === "delivered" && secret === "www/tls.key")
      .length
  await waitFor("the first set", async () => (await read("tls.crt").catch(() => "")) !== "")
  const first = await read("tls.crt")
  const record = await stage.ca.renew("www", signal)
  await waitFor("the second set", async () => (await read("tls.crt")).startsWith(record.certificate))
  await waitFor("the second key", async () => belong(await read("tls.crt"), await read("tls.key")))
  assert.notEqual(await read("tls.crt"), first)
  assert.equal(await deliveries(), 2)
  const lines = await stage.audit()
  const issued = lines.find(({ kind }) => kind === "issued")
  assert.deepEqual([issued?.["certificate"], issued?.["names"]], ["www", "shop.lan"])
  assert.match(String(issued?.["until"]), /^\d{4}-\d\d-\d\dT/)
  const delivered = lines.find(({ kind }) => kind === "delivered")
  assert.ok(Number(issued?.["seq"]) < Number(delivered?.["seq"]))
})
