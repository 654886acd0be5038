import assert from "node:assert/strict"
import { X509Certificate } from "node:crypto"
import { readFile, rename, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { timeUntil } from "../../../src/cli/ca/look.ts"
import { assertNoLeaks, filesUnder } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { caPlace } from "./place.ts"

const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

test("init, issue, renew, revoke, ls: each says what it did, and none shows a passphrase", async (t) => {
  const { ca, dir, stateDir, passphrase, rootPassphrase, said } = await caPlace(t, { init: false })
  const init = await ca(["init", "--root-passphrase-file", "root-pass"])
  assert.equal(init.code, 0, init.stderr)
  assert.match(init.stdout, /^root: +\S+root\.crt, valid until .*\nits key: .*\nintermediate: .*\n$/)
  assert.match(init.stderr, /^purser: the CA is ready\nhint: purser ca issue .*\n$/)
  const issued = await ca(["issue", "www", "--dns", "Shop.lan", "--ip", "127.0.0.1", "--days", "30"])
  assert.match(issued.stdout, /^www: issued, valid until \S+Z, serial [0-9a-f]{32}\n$/)
  assert.match(issued.stderr, /hint: .*purser ca export www --out DIR/)
  const renewed = await ca(["renew", "www"])
  assert.match(renewed.stdout, /^www: renewed, valid until /)
  assert.match(
    (await ca(["ls"])).stdout,
    /^NAME +STATE +EXPIRES +IN +NAMES +SERIAL\nwww +valid +\S+Z +(29|30)d +shop\.lan,127\.0\.0\.1 +[0-9a-f]{32}\n$/,
  )
  assert.match((await ca(["ls", "--all"])).stdout, /\nwww +replaced /)
  assert.match((await ca(["revoke", "www", "--reason", "superseded"])).stdout, /^www: revoked, serial /)
  assert.match((await ca(["ls"])).stdout, /\nwww +revoked /)
  assert.equal((await ca(["reindex"])).stdout, "2 records\n")
  assertNoLeaks(
    [passphrase, rootPassphrase],
    [{ name: "output", content: said.join("\n") }, ...(await filesUnder(stateDir))],
  )
  assert.equal((await stat(join(dir, "state/ca/root.key"))).mode & 0o777, 0o600)
})

test("ls --json has one shape for what is issued and for what waits", async (t) => {
  const { ok, json } = await caPlace(t)
  await ok("issue", "www", "--dns", "shop.lan")
  const { serial, notBefore, notAfter, ...rest } = await json("ls")
  assert.deepEqual(rest, {
    name: "www",
    state: "valid",
    names: ["shop.lan"],
    origin: "issued",
    hasKey: true,
    keyType: "p256",
  })
  assert.match(String(serial), /^[0-9a-f]{32}$/)
  for (const one of [notBefore, notAfter]) assert.match(String(one), date)
})

test("--json: an object for each result of each command", async (t) => {
  const { ca, json, csr } = await caPlace(t, { init: false })
  const init = await json("init", "--root-passphrase-file", "root-pass")
  assert.deepEqual(Object.keys(init), ["root", "intermediate"])
  const facts = ["name", "serial", "notBefore", "notAfter", "names", "origin", "hasKey"]
  assert.deepEqual(Object.keys(await json("issue", "www", "--dns", "shop.lan")), [...facts, "files"])
  assert.deepEqual(Object.keys(await json("renew", "www")), [...facts, "renewed"])
  await csr("api.csr", "DNS:api.lan")
  const signed = await ca(["sign", "api.csr", "--name", "api", "--json"])
  assert.deepEqual(Object.keys(JSON.parse(signed.stdout) as object), [...facts, "certificate"])
  for (const line of signed.stderr.trim().split("\n")) JSON.parse(line)
  const revoked = await json("revoke", "www")
  assert.deepEqual(Object.keys(revoked), [...facts, "reason"])
  assert.match(String((await json("crl"))["pem"]), /^-----BEGIN X509 CRL-----/)
  assert.equal(typeof (await json("crl", "--der"))["base64"], "string")
  assert.match(String((await json("root"))["pem"]), /^-----BEGIN CERTIFICATE-----/)
  assert.match(String((await json("root"))["sha256"]), /^[0-9a-f]{64}$/)
  assert.match(String((await json("bundle"))["pem"]), /^-----BEGIN CERTIFICATE-----/)
  assert.deepEqual(await json("reindex"), { records: 3 })
  const made = await json("intermediate", "--root-passphrase-file", "root-pass")
  assert.match(String(made["serial"]), /^[0-9a-f]{32}$/)
  const refused = await ca(["revoke", String(revoked["serial"]), "--json"])
  assert.equal(refused.code, 1)
  assert.equal((JSON.parse(refused.stderr) as { error: string }).error, "ERR_REVOKED")
})

test("root and bundle are what openssl verifies a signed certificate with", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ok, file, csr, openssl } = await caPlace(t)
  await csr("api.csr", "DNS:api.lan,IP:127.0.0.1")
  const chain = await ok("sign", "api.csr", "--name", "api")
  await file("api.crt", chain)
  await file("root.crt", await ok("root"))
  await file("bundle.crt", await ok("bundle"))
  assert.match(await openssl("verify", "-CAfile", "root.crt", "-untrusted", "api.crt", "api.crt"), /: OK/)
  assert.match(await openssl("verify", "-CAfile", "bundle.crt", "api.crt"), /: OK/)
  assert.match(new X509Certificate(chain).subjectAltName ?? "", /^DNS:api\.lan, IP Address:127\.0\.0\.1$/)
})

test("sign says on stderr what is asked for, escaped, and takes over the names alone", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, dir, openssl } = await caPlace(t)
  const config =
    "[req]\nprompt=no\nutf8=yes\ndistinguished_name=dn\nreq_extensions=ext\n" +
    "[dn]\nCN=evil\u001b[31m\n[ext]\nsubjectAltName=DNS:api.lan\n1.2.3.4=ASN1:UTF8String:x\n"
  await writeFile(join(dir, "csr.cnf"), config)
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k"]
  await openssl("req", "-new", "-config", "csr.cnf", ...key, "-out", "evil.csr")
  const { code, stdout, stderr } = await ca(["sign", "evil.csr", "--name", "api", "--out", "api.crt"])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^api: signed, .*\napi\.crt\n$/)
  assert.match(stderr, /asks for "api\.lan"; its key is p256\n/)
  assert.match(stderr, /extensions: "1\.2\.3\.4"/)
  assert.ok(!stderr.includes("\u001b"))
  const text = await openssl("x509", "-in", "api.crt", "-noout", "-text")
  assert.doesNotMatch(text, /1\.2\.3\.4|evil/)
})

const policy = { policy: { dns: [".lan"], ip: [], max_days: 100, client: false } }
const refusals: [what: string, args: string[], message: RegExp, code: number][] = [
  ["a name outside policy", ["issue", "a", "--dns", "shop.com"], /does not allow dns "?shop\.com/, 3],
  ["an address outside policy", ["issue", "a", "--ip", "10.0.0.1"], /does not allow ip "?10\.0\.0\.1/, 3],
  ["a client outside policy", ["issue", "a", "--dns", "a.lan", "--client"], /certificates for clients/, 3],
  ["more days than policy allows", ["issue", "a", "--dns", "a.lan", "--days", "101"], /101 days|100/, 3],
  ["a certificate without names", ["issue", "a"], /at least one name/, 3],
  ["no number of days", ["issue", "a", "--dns", "a.lan", "--days", "x"], /not a number of days/, 2],
  ["no type of key", ["issue", "a", "--dns", "a.lan", "--key", "p521"], /Allowed choices|p256/, 2],
  ["a bad name", ["issue", "../a", "--dns", "a.lan"], /is not a name/, 2],
  ["a second init", ["init"], /there is a CA|already/, 1],
  ["renewing nothing", ["renew"], /takes a name, or --all/, 2],
  ["--before without --all", ["renew", "a", "--before", "3d"], /--before needs --all/, 2],
  ["renewing what is not there", ["renew", "a"], /there is no certificate/, 1],
  ["revoking what is not there", ["revoke", "a"], /there is no certificate/, 1],
  ["a reason that is none", ["revoke", "a", "--reason", "boredom"], /is not a reason/, 2],
  ["a request that is not there", ["sign", "none.csr", "--name", "a"], /there is no file "?none\.csr/, 1],
  ["a request that is none", ["sign", "pass", "--name", "a"], /request/, 1],
  [
    "a missing passphrase file",
    ["issue", "a", "--dns", "a.lan", "--passphrase-file", "x"],
    /no passphrase file/,
    1,
  ],
  [
    "a wrong passphrase",
    ["issue", "a", "--dns", "a.lan", "--passphrase-file", "root-pass"],
    /does not open/,
    1,
  ],
  [
    "a descriptor that is not open",
    ["issue", "a", "--dns", "a.lan", "--passphrase-fd", "77"],
    /cannot be read/,
    2,
  ],
  ["an export of nothing", ["export", "a", "--out", "o"], /there is no certificate/, 1],
  ["a format that is none", ["export", "a", "--out", "o", "--format", "jks"], /is not a format/, 2],
  ["--legacy without p12", ["export", "a", "--out", "o", "--legacy"], /only p12 and truststore/, 2],
]
test("what is refused is refused in one line with its own words and exit code, and leaves nothing", async (t) => {
  const { ca, ok } = await caPlace(t, { config: policy })
  for (const [what, args, message, code] of refusals) {
    const result = await ca(args)
    assert.deepEqual([result.code, result.stdout], [code, ""], `${what}: ${result.stderr}`)
    assert.match(result.stderr, message, what)
    assert.match(result.stderr, /^purser: [^\n]+\n(?:hint: [^\n]+\n)?$/, what)
  }
  assert.equal(await ok("ls"), "")
})

test("a request is refused that is broken, wants to be a CA, or has a small RSA key", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, dir, csr, openssl } = await caPlace(t)
  await csr("good.csr", "DNS:a.lan")
  const der = Buffer.from(
    (await readFile(join(dir, "good.csr"), "utf8")).replaceAll(/-----[^-]+-----|\s/g, ""),
    "base64",
  )
  // In the subject, which the signature covers.
  der[der.indexOf("from-openssl")] = 0x46
  await writeFile(join(dir, "bad.csr"), der)
  await csr("small.csr", "DNS:a.lan", ["rsa:1024"])
  const authority = [
    "-subj",
    "/CN=a",
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "subjectAltName=DNS:a.lan",
  ]
  await openssl("req", "-new", "-key", "good.csr.key", ...authority, "-out", "ca.csr")
  for (const [file, message] of [
    ["bad.csr", /signature/],
    ["small.csr", /1024|2048/],
    ["ca.csr", /CA/],
  ] as const) {
    const { code, stdout, stderr } = await ca(["sign", file, "--name", "a"])
    assert.deepEqual([code, stdout], [1, ""], stderr)
    assert.match(stderr, message)
  }
})

test("issuing past the intermediate's end is refused, and says how many days are possible", async (t) => {
  const days = { root: 60, intermediate: 40, leaf: 10 }
  const { ca } = await caPlace(t, { config: { days } })
  const { code, stderr } = await ca(["issue", "a", "--dns", "a.lan", "--days", "50"])
  assert.equal(code, 3)
  assert.match(stderr, /\b(39|40)\b/)
})

test("the passphrase comes from a flag, the configuration or a descriptor; without any it is said", async (t) => {
  const { ca, file, dir, run, passphrase } = await caPlace(t)
  await file("ca.yaml", "name: Shop\n")
  const without = await ca(["issue", "a", "--dns", "a.lan"])
  assert.equal(without.code, 1)
  assert.match(without.stderr, /passphrase/)
  assert.match(without.stderr, /--passphrase-file/)
  assert.equal((await ca(["issue", "a", "--dns", "a.lan", "--passphrase-file", "pass"])).code, 0)
  const input = await run(["ca", "issue", "b", "--dns", "b.lan", "--passphrase-fd", "0"], {
    input: passphrase,
  })
  assert.equal(input.code, 0, input.stderr)
  assert.ok((await readFile(join(dir, "ca.yaml"), "utf8")).includes("Shop"))
})

test("without a terminal, one passphrase serves both keys, with a notice", async (t) => {
  const { ca } = await caPlace(t, { init: false })
  const { code, stderr } = await ca(["init"])
  assert.equal(code, 0, stderr)
  assert.match(stderr, /has the same passphrase/)
  assert.equal((await ca(["intermediate"])).code, 0)
})

test("with the root's key elsewhere everything works but a new intermediate, which takes it from there", async (t) => {
  const { ca, ok, dir, stateDir } = await caPlace(t)
  await rename(join(stateDir, "ca/root.key"), join(dir, "off-line.key"))
  await ok("issue", "a", "--dns", "a.lan")
  await ok("revoke", "a")
  await ok("crl")
  const root = ["--root-passphrase-file", "root-pass"]
  const refused = await ca(["intermediate", ...root])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /root's key is not in .*\nhint: .*--root-key FILE/)
  assert.match(await ok("intermediate", "--root-key", "off-line.key", ...root), /^new intermediate: /)
  assert.equal((await ok("bundle")).match(/BEGIN CERTIFICATE/g)?.length, 3)
  await ok("issue", "b", "--dns", "b.lan")
})

test("init can write the root's key elsewhere at once", async (t) => {
  const { ok, dir, stateDir } = await caPlace(t, { init: false })
  await ok("init", "--root-key", "usb.key", "--root-passphrase-file", "root-pass")
  assert.match(await readFile(join(dir, "usb.key"), "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/)
  await assert.rejects(stat(join(stateDir, "ca/root.key")))
})

test("renew --all goes on after a failure, ends with 1, and names what somebody else has to do", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, ok, csr, file } = await caPlace(t)
  await ok("issue", "a", "--dns", "a.lan")
  await ok("issue", "b", "--dns", "b.com")
  await csr("c.csr", "DNS:c.lan")
  await ok("sign", "c.csr", "--name", "c")
  assert.match((await ca(["renew", "--all"])).stderr, /no certificate expires soon enough/)
  await file("ca.yaml", JSON.stringify({ passphrase_file: "./pass", policy: { dns: [".lan"] } }))
  const some = await ca(["renew", "--all", "--before", "100d"])
  assert.equal(some.code, 1)
  assert.match(some.stdout, /^a: renewed, .*\n$/)
  assert.match(some.stderr, /warning: b expires at .*does not allow/)
  assert.match(some.stderr, /warning: c expires at .*key that is kept elsewhere\nhint: .*purser ca sign/)
  await file("ca.yaml", JSON.stringify({ passphrase_file: "./pass" }))
  const all = await ca(["renew", "--all", "--before", "100d", "--json"])
  assert.equal(all.code, 0, all.stderr)
  const lines = all.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    lines.map(({ name, renewed }) => [name, renewed]),
    [
      ["a", true],
      ["b", true],
      ["c", false],
    ],
  )
})

test("a torn index is said, and built anew from the files", async (t) => {
  const { ok, stateDir } = await caPlace(t)
  await ok("issue", "a", "--dns", "a.lan")
  await writeFile(
    join(stateDir, "ca/index.db"),
    "not a database, but long enough to be read as one".repeat(99),
  )
  assert.equal(await ok("reindex"), "1 record\n")
  assert.match(await ok("ls"), /\na +valid /)
})

test("two at once take turns, and both certificates are there", async (t) => {
  const { ca, ok } = await caPlace(t)
  const both = ["a", "b", "a"].map((name) => ca(["issue", name, "--dns", `${name}.lan`]))
  for (const { code, stderr } of await Promise.all(both)) assert.equal(code, 0, stderr)
  assert.equal((await ok("ls", "--all")).match(/^[ab] /gm)?.length, 3)
  assert.equal(await ok("reindex"), "3 records\n")
})

test("a ca.yaml beside a purser.yaml with a ca: part is refused: one of them would not count", async (t) => {
  const { ca, file } = await caPlace(t)
  await file("purser.yaml", "ca: { passphrase_file: ./pass }\n")
  const { code, stderr } = await ca(["ls"])
  assert.equal(code, 2)
  assert.match(stderr, /ca\.yaml/)
})

test("what remains is in days, then hours, then minutes; negative when it is over", () => {
  const now = Date.UTC(2026, 0, 1)
  const after = (minutes: number): string => timeUntil(new Date(now + minutes * 60_000), now)
  assert.deepEqual([89 * 1440 + 900, 2 * 1440, 2 * 1440 - 1, 120, 119, 0, -119, -3 * 1440].map(after), [
    "89d",
    "2d",
    "47h",
    "2h",
    "119m",
    "0m",
    "-119m",
    "-3d",
  ])
})
