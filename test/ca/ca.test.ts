import assert from "node:assert/strict"
import { generateKeyPairSync, X509Certificate } from "node:crypto"
import { chmod, copyFile, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { inspect } from "node:util"
import { Secret } from "../../src/base/secret.ts"
import { certificateRequest } from "../../src/x509/csr.ts"
import { keyTypeNames, signatureAlgorithm } from "../../src/x509/key-families.ts"
import { notingLog } from "../files/support.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import {
  asking,
  configOf,
  emptyCa,
  hasItsKey,
  issued,
  madeCa,
  opensslVerify,
  passphrases,
  run,
  signal,
} from "./state.ts"

const days = 86_400_000

for (const type of keyTypeNames) {
  test(`openssl accepts a leaf of ${type}`, async (t) => {
    if (!(await requireService(t, "openssl"))) return
    const { ca } = await madeCa(t)
    const ask = asking("www.lan", {
      key: type,
      ip: ["192.0.2.7", "fd00::7"],
      email: ["ops@shop.lan"],
      client: true,
    })
    const record = await issued(ca, "www", ask)
    assert.ok(await hasItsKey(ca, record))
    for (const more of [
      ["-verify_hostname", "www.lan"],
      ["-purpose", "sslclient"],
      ["-verify_ip", "192.0.2.7"],
    ])
      assert.equal(await opensslVerify(t, record, await ca.root(), ...more), "leaf: OK")
    const other = await opensslVerify(t, record, await ca.root(), "-verify_hostname", "other.lan")
    assert.match(other, /hostname mismatch/i)
    const [listed] = await ca.list({ all: false })
    assert.equal(listed?.keyType, type)
    assert.deepEqual(listed.names, ["www.lan", "192.0.2.7", "fd00::7", "ops@shop.lan"])
  })
}

for (const [root, intermediate] of [
  ["p384", "ed25519"],
  ["ed25519", "rsa2048"],
  ["rsa2048", "p384"],
] as const) {
  test(`a root of ${root} and an intermediate of ${intermediate} sign what openssl accepts`, async (t) => {
    if (!(await requireService(t, "openssl"))) return
    const { ca } = await madeCa(t, { config: configOf({ keys: { root, intermediate } }) })
    assert.equal(await opensslVerify(t, await issued(ca, "www"), await ca.root()), "leaf: OK")
  })
}

test("where there is no CA, it says so and how to make one, and looking makes nothing", async (t) => {
  const { ca, stateDir } = await emptyCa(t)
  assert.equal(await ca.exists(), false)
  assert.deepEqual(await ca.list({ all: true }), [])
  assert.equal(await ca.find("www"), null)
  assert.deepEqual(await ca.requests(), [])
  for (const work of [
    () => ca.root(),
    () => ca.bundle(),
    () => ca.unlock(signal),
    () => issued(ca, "www"),
    () => ca.renewIntermediate(signal),
  ]) {
    await assert.rejects(work, {
      code: "ERR_CA",
      message: "there is no CA in this state directory",
      hint: "make one: purser ca init",
    })
  }
  await assert.rejects(stat(stateDir), { code: "ENOENT" })
})

test("a second init is refused, and changes nothing", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  const before = await readFile(join(directory, "root.crt"), "utf8")
  await using other = open()
  await assert.rejects(other.init(signal), { code: "ERR_CA", message: /there is already a CA/ })
  await rm(join(directory, "intermediate.crt"))
  await assert.rejects(other.init(signal), { code: "ERR_CA", message: /there is already a CA/ })
  assert.equal(await ca.root(), before)
})

test("without the root's key all works but a new intermediate, which takes it from where it is", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  const offline = join(await tempDir(t), "root.key")
  await rename(join(directory, "root.key"), offline)
  const before = await issued(ca, "www")
  await ca.revoke("www", "superseded", signal)
  assert.ok((await ca.crl(signal)).length > 0)
  assert.ok((await ca.bundle()).includes(await ca.root()))
  await assert.rejects(ca.renewIntermediate(signal), { code: "ERR_CA", message: /the root's key is not in/ })

  await using withKey = open({ rootKeyFile: offline })
  const intermediate = await withKey.renewIntermediate(signal)
  const after = await issued(ca, "www")
  assert.equal(after.chain[0], await readFile(join(directory, "intermediate.crt"), "utf8"))
  assert.equal(new X509Certificate(after.chain[0] ?? "").serialNumber, intermediate.serialNumber)
  assert.notEqual(after.chain[0], before.chain[0])
  assert.equal(await readFile(join(directory, "root.key"), "utf8").catch(() => null), null)
  if (!(await requireService(t, "openssl"))) return
  for (const record of [before, after])
    assert.equal(await opensslVerify(t, record, await ca.root()), "leaf: OK")
})

test("init puts the root's key where it is told, never over another file", async (t) => {
  const { ca, open, directory } = await emptyCa(t)
  const rootKeyFile = join(await tempDir(t), "root.key")
  await writeFile(rootKeyFile, "mine")
  await using withFile = open({ rootKeyFile })
  await assert.rejects(withFile.init(signal), { code: "ERR_CA", message: /exists already/ })
  assert.equal(await ca.exists(), false)
  await rm(rootKeyFile)
  await withFile.init(signal)
  assert.equal((await stat(rootKeyFile)).mode & 0o777, 0o600)
  assert.ok(!(await readdir(directory)).includes("root.key"))
  await withFile.renewIntermediate(signal)
})

test("another root's key makes no intermediate", async (t) => {
  const { ca, open } = await madeCa(t)
  const other = await madeCa(t)
  const rootKeyFile = join(other.directory, "root.key")
  await using wrong = open({ rootKeyFile })
  const before = await ca.bundle()
  await assert.rejects(wrong.renewIntermediate(signal), {
    code: "ERR_CA",
    message: /belongs to another root/,
  })
  assert.equal(await ca.bundle(), before)
})

test("an intermediate stays in the bundle until it has ended", async (t) => {
  let now = new Date()
  const config = configOf({ days: { intermediate: 100, leaf: 10 } })
  const { ca } = await madeCa(t, { config, now: () => now })
  const [old = ""] = (await issued(ca, "www")).chain
  now = new Date(now.getTime() + 90 * days)
  await ca.renewIntermediate(signal)
  const [fresh = ""] = (await issued(ca, "www")).chain
  assert.notEqual(old, fresh)
  const both = await ca.bundle()
  assert.ok(both.startsWith(await ca.root()) && both.includes(old) && both.includes(fresh))
  now = new Date(now.getTime() + 20 * days)
  const left = await ca.bundle()
  assert.ok(!left.includes(old) && left.includes(fresh))
})

test("a name outside the root's constraints is refused before there is a certificate", async (t) => {
  const constraints = {
    dns: ["shop.lan", ".office.lan"],
    ip: ["10.0.0.0/8", "fd00::/8"],
    email: ["@shop.lan"],
  }
  const { ca, open, directory } = await madeCa(t, { config: configOf({ constraints }) })
  const ask = asking(["shop.lan", "a.shop.lan", "*.shop.lan", "b.office.lan"], {
    ip: ["10.1.2.3", "fd12::1"],
    email: ["ops@shop.lan"],
  })
  const record = await issued(ca, "www", ask)
  if (await requireService(t, "openssl"))
    assert.equal(await opensslVerify(t, record, await ca.root()), "leaf: OK")
  // The configuration has changed since; what counts is what the root says.
  await using other = open({ config: configOf() })
  for (const [more, name] of [
    [{ dns: ["shop.example"] }, "shop.example"],
    [{ dns: ["evilshop.lan"] }, "evilshop.lan"],
    [{ dns: ["shop.lan", "office.lan"] }, "office.lan"],
    [{ ip: ["11.0.0.1"] }, "11.0.0.1"],
    [{ ip: ["fe80::1"] }, "fe80::1"],
    [{ email: ["ops@office.lan"] }, "ops@office.lan"],
  ] as const) {
    await assert.rejects(issued(other, "other", asking([], more)), (error: Error & { code: string }) => {
      assert.equal(error.code, "ERR_CA_POLICY")
      assert.ok(error.message.includes(name), error.message)
      return true
    })
  }
  assert.deepEqual(await readdir(join(directory, "issued")), [`${record.serial}.json`])
  assert.equal((await readdir(join(directory, "keys"))).length, 1)
})

test("names of certificates follow the grammar of secrets' names", async (t) => {
  const { ca } = await madeCa(t)
  for (const name of ["", "../www", "a//b", "-a", "a b", "a/.."])
    await assert.rejects(ca.issue(name, asking("www.lan"), {}, signal), { code: "ERR_NAME" })
  assert.equal((await issued(ca, "web/node-1", asking("www.lan"))).name, "web/node-1")
})

test("a clock before the CA's start is told, and one after the intermediate's end", async (t) => {
  let now = new Date()
  const { ca } = await madeCa(t, { now: () => now })
  const record = await issued(ca, "www")
  now = new Date(now.getTime() - 2 * days)
  for (const work of [() => issued(ca, "new"), () => ca.crl(signal), () => ca.renew("www", signal)])
    await assert.rejects(work, { code: "ERR_CLOCK", message: /clock says/ })
  await assert.rejects(ca.renewIntermediate(signal), { code: "ERR_CLOCK" })
  assert.deepEqual(await ca.find("www"), record)
  now = new Date(now.getTime() + 1830 * days)
  await assert.rejects(issued(ca, "new"), { code: "ERR_CA", message: /the intermediate expired/ })
})

test("nothing outlives its issuer: refused with the days that are left, or cut where that is asked for", async (t) => {
  let now = new Date()
  const { ca } = await madeCa(t, { now: () => now })
  now = new Date(now.getTime() + 1800 * days)
  await assert.rejects(issued(ca, "www"), { code: "ERR_CA_POLICY", message: /\b2[45]\b/ })
  const record = await ca.issue("www", asking("www.lan"), { cap: true }, signal)
  const [leaf, issuer] = [record.certificate, record.chain[0] ?? ""].map((text) => new X509Certificate(text))
  assert.equal(leaf?.validTo, issuer?.validTo)
})

test("a wrong passphrase is told without a trace of the key, and a right one is asked for once", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  await issued(ca, "www")
  await using wrong = open({ passphrase: async () => new Secret("a wrong passphrase") })
  const sealed = await readFile(join(directory, "intermediate.key"), "utf8")
  for (const work of [
    () => wrong.unlock(signal),
    () => issued(wrong, "other"),
    () => wrong.renewIntermediate(signal),
  ]) {
    await assert.rejects(work, (error: Error & { code: string }) => {
      assert.equal(error.code, "ERR_PASSPHRASE")
      const shown = inspect(error, { depth: 10, showHidden: true })
      assert.ok(!shown.includes("a wrong passphrase"))
      for (const line of sealed.split("\n")) assert.ok(line === "" || !shown.includes(line))
      return true
    })
  }
  await using none = open({ passphrase: async () => null })
  await assert.rejects(none.unlock(signal), { code: "ERR_PASSPHRASE", message: /there is no passphrase/ })
  const asked: string[] = []
  await using right = open({
    passphrase: async (of, purpose) => {
      asked.push(`${of} ${purpose}`)
      return new Secret(passphrases[of])
    },
  })
  await right.unlock(signal)
  await issued(right, "b")
  await right.crl(signal)
  assert.deepEqual(asked, ["intermediate open"])
  await ca.renewIntermediate(signal)
  await issued(right, "b")
  assert.equal(asked.length, 2)
})

test("files are their owner's alone, and hold no key in plain", async (t) => {
  const { ca, stateDir } = await madeCa(t)
  const record = await issued(ca, "www")
  await ca.revoke("www", "superseded", signal)
  await ca.crl(signal)
  const key = (await ca.keyOf(record))?.revealText() ?? ""
  const needles = key.split("\n").filter((line) => line !== "" && !line.startsWith("-----"))
  assert.ok(needles.length >= 2)
  const body = Buffer.from(needles.join(""), "base64")
  let files = 0
  for (const entry of await readdir(stateDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mode } = await stat(path)
    if (entry.isDirectory()) assert.equal(mode & 0o777, 0o700, path)
    if (!entry.isFile()) continue
    files++
    // The lock of the store holds nothing; its mode is the store's affair.
    if (!entry.name.startsWith("store.lock")) assert.equal(mode & 0o777, 0o600, path)
    const content = await readFile(path)
    assert.ok(!content.includes(body), path)
    for (const needle of needles) assert.ok(!content.includes(needle), path)
    assert.ok(!content.includes("BEGIN PRIVATE KEY"), path)
  }
  assert.ok(files >= 8, `${files} files`)
})

test("a key that others may read is refused", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  await using other = open()
  for (const name of ["intermediate.key", "root.key"]) await chmod(join(directory, name), 0o640)
  const refused = { code: "ERR_CA", message: /can be read or written by other users/, hint: /chmod 600/ }
  await assert.rejects(other.unlock(signal), refused)
  await assert.rejects(ca.renewIntermediate(signal), refused)
})

test("the root's key on a medium without modes is used, with a warning", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  const rootKeyFile = join(await tempDir(t), "root.key")
  await rename(join(directory, "root.key"), rootKeyFile)
  await chmod(rootKeyFile, 0o755)
  const { log, text } = notingLog()
  await using withKey = open({ rootKeyFile, log })
  await withKey.renewIntermediate(signal)
  assert.match(text(), /can be read or written by other users/)
  await issued(ca, "www")
})

test("many at once in one process, while another builds the index anew", async (t) => {
  const { ca, open } = await madeCa(t)
  await using other = open()
  const names = Array.from({ length: 12 }, (_, number) => `n${number}`)
  await Promise.all([
    ...names.map((name) => issued(ca, name)),
    ...names.map(() => ca.list({ all: true })),
    ...names.slice(6).map(() => other.reindex(signal)),
    ...names.map((name) => other.find(name)),
  ])
  for (const one of [ca, other]) assert.equal((await one.list({ all: false })).length, names.length)
})

test("a key of another generation than its certificate is told", async (t) => {
  const { open, directory } = await madeCa(t)
  const other = await madeCa(t)
  await copyFile(join(other.directory, "intermediate.key"), join(directory, "intermediate.key"))
  await using fresh = open()
  await assert.rejects(fresh.unlock(signal), { code: "ERR_CA", message: /does not match its certificate/ })
})

test("issued again, the older one is replaced: listed with all, and found by its serial", async (t) => {
  const { ca } = await madeCa(t)
  const [first, second] = [await issued(ca, "www"), await ca.renew("www", signal)]
  assert.notEqual(first.serial, second.serial)
  assert.notEqual(first.keyId, second.keyId)
  assert.deepEqual(second.ask, first.ask)
  const states = async (all: boolean): Promise<unknown[]> =>
    (await ca.list({ all })).map(({ serial, state }) => [serial, state])
  assert.deepEqual(await states(false), [[second.serial, "valid"]])
  assert.deepEqual(await states(true), [
    [second.serial, "valid"],
    [first.serial, "replaced"],
  ])
  assert.deepEqual(await ca.find("www"), second)
  assert.deepEqual(await ca.find(first.serial), first)
  assert.deepEqual(await ca.find(first.serial.toUpperCase().replace(/..(?!$)/g, "$&:")), first)
})

test("the newest is what was issued last, also when the clock was put back in between", async (t) => {
  let now = new Date()
  const { ca } = await madeCa(t, { now: () => now })
  now = new Date(now.getTime() + days)
  const first = await issued(ca, "www")
  now = new Date(now.getTime() - days / 2)
  const second = await issued(ca, "www")
  assert.ok(second.at > first.at)
  assert.deepEqual(await ca.find("www"), second)
})

test("what is due, and what has expired, is listed so; what has expired is not found by name", async (t) => {
  let now = new Date()
  const { ca } = await madeCa(t, { now: () => now })
  const record = await issued(ca, "www")
  const state = async (): Promise<unknown> => (await ca.list({ all: false }))[0]?.state
  now = new Date(now.getTime() + 50 * days)
  assert.equal(await state(), "valid")
  now = new Date(now.getTime() + 15 * days)
  assert.equal(await state(), "due")
  assert.deepEqual(await ca.find("www"), record)
  now = new Date(now.getTime() + 30 * days)
  assert.equal(await state(), "expired")
  assert.equal(await ca.find("www"), null)
  assert.deepEqual(await ca.find(record.serial), record)
})

test("a CSR is signed for its names, without a key of ours, and cannot be renewed here", async (t) => {
  const { ca } = await madeCa(t)
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const csr = Buffer.from(
    certificateRequest(privateKey, signatureAlgorithm(privateKey), {
      dns: ["a.lan"],
      ip: ["192.0.2.1"],
      email: [],
    }),
  )
  const record = await ca.sign("a", csr, { days: 5 }, signal)
  assert.equal(record.origin, "signed")
  assert.equal(record.hasKey, false)
  assert.equal(await ca.keyOf(record), null)
  const leaf = new X509Certificate(record.certificate)
  assert.ok(leaf.checkPrivateKey(privateKey))
  assert.equal(leaf.subjectAltName, "DNS:a.lan, IP Address:192.0.2.1")
  assert.ok(leaf.validToDate.getTime() < Date.now() + 5.1 * days)
  await assert.rejects(ca.renew("a", signal), { code: "ERR_CA", hint: /purser ca sign/ })
  const policy = { dns: [".b.lan"], ip: [], email: [], client: false, maxDays: 30, keys: [...keyTypeNames] }
  await assert.rejects(ca.sign("a", csr, { policy, days: 5 }, signal), {
    code: "ERR_CA_POLICY",
    message: /a\.lan/,
  })
  assert.equal((await ca.list({ all: true })).length, 1)
  if (await requireService(t, "openssl"))
    assert.equal(await opensslVerify(t, record, await ca.root()), "leaf: OK")
})

test("the configuration's policy holds for what is issued and for what is signed", async (t) => {
  const config = configOf({ policy: { dns: [".shop.lan"], max_days: 90, keys: ["p256"] } })
  const { ca } = await madeCa(t, { config })
  await issued(ca, "www", asking("www.shop.lan"))
  for (const ask of [
    asking("www.lan"),
    asking("a.shop.lan", { days: 91 }),
    asking("a.shop.lan", { key: "p384" }),
  ])
    await assert.rejects(issued(ca, "other", ask), { code: "ERR_CA_POLICY" })
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const csr = Buffer.from(
    certificateRequest(privateKey, signatureAlgorithm(privateKey), { dns: ["www.lan"], ip: [], email: [] }),
  )
  await assert.rejects(ca.sign("a", csr, {}, signal), { code: "ERR_CA_POLICY", message: /www\.lan/ })
})

test("what was imported takes the place of its request, and is not ours to renew or revoke", async (t) => {
  const { ca, open } = await emptyCa(t)
  const other = await madeCa(t)
  const theirs = await issued(other.ca, "their", asking("corp.lan"))
  const key = await other.ca.keyOf(theirs)
  assert.ok(key !== null)
  const at = new Date().toISOString()
  const request = { version: 1, id: theirs.keyId, name: "corp", csr: "-", ask: theirs.ask, at } as const
  await ca.addRequest(request, key, signal)
  assert.deepEqual(await ca.requests(), [request])
  assert.deepEqual(
    (await ca.list({ all: false })).map(({ name, state, serial }) => [name, state, serial]),
    [["corp", "waiting", null]],
  )
  await assert.rejects(ca.renew("corp", signal), { code: "ERR_WAITING" })
  const record = { ...theirs, name: "corp", root: await other.ca.root(), origin: "imported", at } as const
  await ca.addImported(record, signal)
  await using fresh = open()
  for (const one of [ca, fresh]) {
    assert.deepEqual(await one.requests(), [])
    assert.deepEqual(
      (await one.list({ all: true })).map(({ name, state, origin, hasKey }) => [name, state, origin, hasKey]),
      [["corp", "valid", "imported", true]],
    )
    assert.deepEqual(await one.find("corp"), record)
    assert.ok(await hasItsKey(one, record))
  }
  await assert.rejects(ca.renew("corp", signal), { code: "ERR_CA", hint: /purser ca request corp$/ })
  await assert.rejects(ca.revoke("corp", "superseded", signal), { code: "ERR_CA", message: /another CA/ })
  // The same certificate again, now with more of its chain.
  await ca.addImported({ ...record, chain: [...record.chain, ...record.chain] }, signal)
  assert.equal((await ca.find("corp"))?.chain.length, 2)
})

test("a request that is forgotten takes its key along", async (t) => {
  const { ca } = await emptyCa(t)
  const id = "0123456789abcdef0123456789abcdef"
  const request = {
    version: 1,
    id,
    name: "corp",
    csr: "-",
    ask: asking("corp.lan"),
    at: new Date().toISOString(),
  } as const
  await ca.addRequest(request, new Secret("key"), signal)
  assert.equal(await ca.removeRequest(id, signal), true)
  assert.equal(await ca.removeRequest(id, signal), false)
  assert.deepEqual(await ca.requests(), [])
  assert.equal(await ca.keyOf({ keyId: id }), null)
})

test("nothing is issued once the signal has aborted", async (t) => {
  const { ca, directory } = await madeCa(t)
  await assert.rejects(ca.issue("www", asking("www.lan"), {}, AbortSignal.abort()), { name: "AbortError" })
  assert.deepEqual(await readdir(join(directory, "issued")).catch(() => []), [])
})

test("the root verifies with openssl, and says what it is constrained to", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, directory } = await madeCa(t, { config: configOf({ constraints: { dns: ["shop.lan"] } }) })
  const { stdout } = await run("openssl", ["x509", "-in", join(directory, "root.crt"), "-noout", "-text"])
  assert.match(stdout, /Name Constraints: critical/)
  assert.match(stdout, /CA:TRUE, pathlen:1/)
  assert.equal(new X509Certificate(await ca.root()).ca, true)
  const key = await readFile(join(directory, "root.key"), "utf8")
  assert.match(key, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
})
