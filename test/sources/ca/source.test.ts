import assert from "node:assert/strict"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { test, type TestContext } from "node:test"
import { isPurserError, type ErrorCode } from "../../../src/base/errors.ts"
import { createLog } from "../../../src/base/log.ts"
import { Secret } from "../../../src/base/secret.ts"
import type { CertificateSpec } from "../../../src/ca/certificate-spec.ts"
import type { Ca } from "../../../src/ca/ca.ts"
import { dueAt } from "../../../src/ca/renewal.ts"
import { caSource } from "../../../src/sources/ca/source.ts"
import type { Issued } from "../../../src/sources/ca/renewal.ts"
import type { Source } from "../../../src/sources/source.ts"
import { asking, configOf, emptyCa, issued, madeCa, signal } from "../../ca/state.ts"
import { waitFor } from "../../support/wait.ts"
import type { CaOptions } from "../../../src/ca/options.ts"

const dayMs = 86_400_000

/** A CA with a clock that tests can set, and sources over it. */
async function made(t: TestContext, options: Partial<CaOptions> = {}) {
  const clock = { now: new Date() }
  const now = (): Date => clock.now
  const lines: string[] = []
  const log = createLog({ write: (text: string) => lines.push(text) })
  const told: Issued[] = []
  const { ca, open } = await madeCa(t, { now, ...options })
  const source = (ask: CertificateSpec | null = asking("shop.lan"), of: Ca = ca): Source =>
    caSource(
      { kind: "ca", name: "www", certificate: ask ?? undefined },
      {
        ca: of,
        config: options.config ?? configOf(),
        log,
        now,
        onIssued: async (one) => void told.push(one),
      },
    )
  const forward = (days: number): void => {
    clock.now = new Date(clock.now.getTime() + days * dayMs)
  }
  return { ca, open, source, clock, told, forward, lines }
}

const read = async (source: Source, name = "tls.crt"): Promise<string> =>
  (await source.read(name, signal))?.revealText() ?? ""

async function rejects(work: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> {
  await assert.rejects(work, (error) => isPurserError(error, code) && message.test(error.message))
}

test("issues when it is first needed: leaf with intermediate, its key, and the root", async (t) => {
  const { ca, source, told } = await made(t)
  const www = source()
  assert.equal(await ca.find("www"), null)
  const [certificate, key, root] = [await read(www), await read(www, "tls.key"), await read(www, "ca.crt")]
  assert.equal(certificate.match(/BEGIN CERTIFICATE/g)?.length, 2)
  assert.equal(new X509Certificate(certificate).subjectAltName, "DNS:shop.lan")
  assert.ok(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
  assert.equal(root, await ca.root())
  assert.equal(await www.read("tls.p12", signal), null)
  assert.deepEqual(
    told.map(({ kind, record }) => [kind, record.serial]),
    [["issued", (await ca.find("www"))?.serial]],
  )
})

test("issues once for concurrent reads, also of several processes", async (t) => {
  const { ca, open, source, told } = await made(t)
  const others = [open(), open()]
  t.after(() => Promise.all(others.map((one) => one[Symbol.asyncDispose]())))
  const sources = [source(), ...others.map((one) => source(undefined, one))]
  const found = await Promise.all(sources.flatMap((one) => [read(one), read(one), read(one)]))
  assert.equal(new Set(found).size, 1)
  assert.equal((await ca.list({ all: true })).length, 1)
  assert.equal(told.length, 1)
})

test("renews at two thirds of the lifetime, not earlier", async (t) => {
  const { source, told, forward } = await made(t)
  const www = source()
  const first = await read(www)
  forward(55)
  assert.equal(await read(www), first)
  forward(6)
  const second = await read(www)
  assert.notEqual(second, first)
  assert.equal(await read(www), second)
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ["issued", "renewed"],
  )
})

test("issues again for other configured names or another key type, or after a revocation", async (t) => {
  const { ca, source } = await made(t)
  const first = await read(source())
  assert.equal(await read(source(asking("shop.lan", { days: 30 }))), first, "days alone are for the next one")
  const second = await read(source(asking(["shop.lan", "www.lan"])))
  assert.equal(new X509Certificate(second).subjectAltName, "DNS:shop.lan, DNS:www.lan")
  assert.equal(await read(source(asking(["www.lan", "shop.lan"]))), second)
  const third = await read(source(asking(["www.lan", "shop.lan"], { key: "p384" })))
  assert.equal(new X509Certificate(third).publicKey.asymmetricKeyDetails?.namedCurve, "secp384r1")
  await ca.revoke("www", "keyCompromise", signal)
  assert.notEqual(await read(source(asking(["www.lan", "shop.lan"], { key: "p384" }))), third)
})

test("a failed renewal is logged, and the old certificate is used while it is valid", async (t) => {
  let passphrase = "an intermediate's passphrase"
  const { ca, open, source, forward, lines } = await made(t)
  const first = await read(source())
  const other = open({ passphrase: async () => new Secret(passphrase) })
  t.after(() => other[Symbol.asyncDispose]())
  passphrase = "another"
  const www = source(undefined, other)
  forward(70)
  assert.equal(await read(www), first)
  assert.equal(await read(www), first)
  const errors = lines.filter((line) => line.includes("cannot be renewed"))
  assert.equal(errors.length, 1, "the second asked too early for another try")
  assert.match(errors[0] ?? "", /the certificate www .*the passphrase does not open.*until \d{4}-/)
  forward(1)
  assert.equal(await read(www), first)
  assert.equal(lines.filter((line) => line.includes("cannot be renewed")).length, 2)
  forward(30)
  await rejects(read(www), "ERR_PASSPHRASE")
  passphrase = "an intermediate's passphrase"
  assert.notEqual(await read(www), first)
  assert.equal((await ca.list({ all: true })).length, 2)
})

test("without names it gives a certificate issued by hand, and reports its successor", async (t) => {
  const { ca, open, source, told } = await made(t)
  const www = source(null)
  assert.equal(await www.read("tls.crt", signal), null)
  let changes = 0
  const watcher = await www.watch?.(() => changes++)
  t.after(() => watcher?.[Symbol.asyncDispose]())
  const other = open()
  t.after(() => other[Symbol.asyncDispose]())
  const record = await issued(other, "www")
  await waitFor("the three names to be told", () => changes >= 3)
  assert.ok((await read(www)).startsWith(record.certificate))
  assert.equal(told.length, 0)
  assert.equal((await ca.list({ all: true })).length, 1)
})

test("a watcher gets one report of a renewal, whichever process renews", async (t) => {
  const { ca, source } = await made(t)
  const www = source()
  const names: (string | undefined)[] = []
  const watcher = await www.watch?.((name) => names.push(name))
  t.after(() => watcher?.[Symbol.asyncDispose]())
  const first = await read(www)
  assert.deepEqual(names, [])
  await ca.renew("www", signal)
  await waitFor("the names to be told", () => names.length > 0)
  assert.deepEqual(names, ["tls.crt", "tls.key", "ca.crt"])
  assert.notEqual(await read(www), first)
  assert.equal(names.length, 3)
})

test("a watched certificate is renewed when it is due, without a read", async (t) => {
  const { ca, source, clock, told } = await made(t)
  const www = source()
  const names: (string | undefined)[] = []
  const watcher = await www.watch?.((name) => names.push(name))
  t.after(() => watcher?.[Symbol.asyncDispose]())
  const { validFromDate, validToDate, serialNumber } = new X509Certificate(await read(www))
  const due = dueAt(validFromDate, validToDate, serialNumber.toLowerCase().padStart(32, "0")).getTime()
  // A month is longer than Node's longest timer.
  clock.now = new Date(due - 200)
  await read(www)
  clock.now = new Date(due)
  await waitFor("the renewal to be told", () => names.length > 0)
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ["issued", "renewed"],
  )
  assert.equal((await ca.list({ all: true })).length, 2)
  assert.deepEqual(names, ["tls.crt", "tls.key", "ca.crt"])
})

test("a request that waits for its CA is reported as such", async (t) => {
  const { ca } = await emptyCa(t)
  const www = caSource(
    { kind: "ca", name: "www", certificate: undefined },
    { ca, config: configOf(), log: createLog({ write() {} }) },
  )
  await ca.addRequest(
    {
      version: 1,
      id: "0123456789abcdef0123456789abcdef",
      name: "www",
      csr: "",
      ask: asking("shop.lan"),
      at: new Date().toISOString(),
    },
    new Secret("a key"),
    signal,
  )
  await rejects(read(www), "ERR_WAITING", /^the certificate www has waited for its CA since \d{4}-/)
  await rejects(Promise.resolve(www.check?.("tls.crt", signal)), "ERR_WAITING")
})

test("a check issues nothing, and proves that it could", async (t) => {
  const { ca, open, source } = await made(t)
  assert.equal(await source().check?.("tls.crt", signal), undefined)
  assert.deepEqual(await ca.list({ all: true }), [])
  const locked = open({ passphrase: async () => new Secret("another") })
  t.after(() => locked[Symbol.asyncDispose]())
  await rejects(Promise.resolve(source(undefined, locked).check?.("tls.crt", signal)), "ERR_PASSPHRASE")
  const { ca: none } = await emptyCa(t)
  await rejects(Promise.resolve(source(undefined, none).check?.("tls.crt", signal)), "ERR_CA", /no CA/)
  const first = await read(source())
  assert.equal((await source().check?.("tls.crt", signal))?.revealText(), first)
})

test("a check finds a conflict with the CA's policy", async (t) => {
  const config = configOf({ policy: { dns: [".lan"] } })
  const { source } = await made(t, { config })
  await rejects(
    Promise.resolve(source(asking("shop.example")).check?.("tls.crt", signal)),
    "ERR_CA_POLICY",
    /shop\.example/,
  )
})

test("a certificate capped at its issuer's expiry is renewed once, as soon as there is a new intermediate", async (t) => {
  const { ca, source, told, forward, lines } = await made(t, {
    config: configOf({ days: { intermediate: 100, leaf: 90 } }),
  })
  const www = source()
  forward(70)
  const capped = new X509Certificate(await read(www))
  assert.equal(
    capped.validTo,
    new X509Certificate((await ca.bundle()).split(/(?<=-----END CERTIFICATE-----\n)/)[1] ?? "").validTo,
  )
  for (const days of [25, 3, 1, 0.5]) {
    forward(days)
    assert.equal(new X509Certificate(await read(www)).serialNumber, capped.serialNumber)
  }
  assert.equal(told.length, 1)
  assert.equal(lines.filter((line) => line.includes("expires with the intermediate")).length, 1)
  await ca.renewIntermediate(signal)
  const next = new X509Certificate(await read(www))
  assert.ok(next.validToDate > capped.validToDate)
  assert.equal(told.length, 2)
})
