import assert from "node:assert/strict"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { createMarker } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { caPlace, corporate } from "./place.ts"

test("a request waits, its answer comes as PKCS#7, and then it is a certificate like ours", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const place = await caPlace(t, { init: false })
  const { ca, ok, dir, openssl } = place
  const answer = await corporate(place)
  const requested = await ca(["request", "shop", "--dns", "shop.example.org", "--out", "shop.csr"])
  assert.equal(requested.code, 0, requested.stderr)
  assert.equal(requested.stdout, "shop.csr\n")
  assert.match(requested.stderr, /hint: .*purser ca import/)
  assert.match(await ok("ls"), /^shop +waiting +shop\.example\.org$/m)
  for (const args of [
    ["export", "shop", "--out", "o"],
    ["renew", "shop"],
    ["show", "shop"],
  ])
    assert.match((await ca(args)).stderr, /has not been answered yet/, args[0])
  await answer("shop.csr", "shop.pem")
  const chain = ["-certfile", "root.pem", "-certfile", "shop.pem", "-certfile", "issuing.pem"]
  await openssl("crl2pkcs7", "-nocrl", ...chain, "-out", "shop.p7b")
  assert.match(await ok("import", "shop.p7b"), /^shop: imported, valid until /)
  assert.match(await ok("ls"), /^shop +valid /m)
  await ok("export", "shop", "--out", "out")
  assert.match(
    await openssl("verify", "-CAfile", "root.pem", "-untrusted", "out/shop.chain.crt", "out/shop.crt"),
    /OK/,
  )
  assert.match(await readFile(join(dir, "out/shop.key"), "utf8"), /PRIVATE KEY/)
  const again = await ca(["renew", "shop"])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /hint: .*purser ca request shop/)
  assert.match((await ca(["revoke", "shop"])).stderr, /was issued by another CA/)
})

test("an answer is refused that matches no key, has a gap, or is from a stranger; and nothing is changed", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const place = await caPlace(t, { init: false })
  const { ca, ok, csr, openssl } = place
  const answer = await corporate(place)
  await ok("request", "shop", "--dns", "shop.example.org", "--out", "shop.csr")
  await answer("shop.csr", "shop.pem")
  await csr("other.csr", "DNS:other.example.org")
  await answer("other.csr", "other.pem")
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "s.key"]
  await openssl(
    "req",
    "-x509",
    ...key,
    "-subj",
    "/CN=Corporate Issuing",
    "-days",
    "9",
    "-out",
    "stranger.pem",
  )
  for (const args of [
    ["other.pem", "issuing.pem", "root.pem"],
    ["shop.pem", "root.pem"],
    ["shop.pem", "stranger.pem"],
    ["pass"],
  ]) {
    const { code, stdout, stderr } = await ca(["import", ...args])
    assert.deepEqual([code, stdout], [1, ""], `${args.join(" ")}: ${stderr}`)
    assert.match(stderr, /^purser: [^\n]+\n(?:hint: [^\n]+\n)?$/)
    assert.match(await ok("ls"), /^shop +waiting /m)
  }
  assert.match((await ca(["import", "shop.pem", "root.pem"])).stderr, /Corporate Issuing/)
  await ok("import", "shop.pem", "issuing.pem", "--root", "root.pem")
  assert.match(await ok("ls"), /^shop +valid /m)
})

test("export writes PEM, PKCS#12 and a trust store; the password is in none, and openssl opens them", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ok, json, ca, dir, file, openssl } = await caPlace(t)
  const password = createMarker()
  await file("p12-pass", `${password}\n`)
  await ok("issue", "www", "--dns", "shop.lan", "--out", "out")
  const pem = ["www.chain.crt", "www.crt", "www.fullchain.crt", "www.key", "www.pem"]
  assert.deepEqual((await readdir(join(dir, "out"))).toSorted(), pem)
  for (const name of pem) assert.equal((await stat(join(dir, "out", name))).mode & 0o777, 0o600)
  const unasked = await ca(["export", "www", "--out", "p", "--format", "p12"])
  assert.equal(unasked.code, 2)
  assert.match(unasked.stderr, /hint: .*--password-file/)
  const both = ["--format", "p12,truststore", "--password-file", "p12-pass"]
  const said = await ca(["export", "www", "--out", "p", ...both, "--json"])
  assert.equal(said.code, 0, said.stderr)
  assert.ok(!`${said.stdout}${said.stderr}`.includes(password))
  assert.deepEqual((await readdir(join(dir, "p"))).toSorted(), ["truststore.p12", "www.p12"])
  const info = await openssl("pkcs12", "-in", "p/www.p12", "-passin", "file:p12-pass", "-nodes")
  assert.match(info, /BEGIN PRIVATE KEY/)
  const legacy = ["--format", "p12", "--legacy", "--password-fd", "0"]
  assert.equal((await ca(["export", "www", "--out", "l", ...legacy], { input: password })).code, 0)
  await openssl("pkcs12", "-legacy", "-in", "l/www.p12", "-passin", "file:p12-pass", "-nodes")
  const listed = await json("ls")
  await ok("export", String(listed["serial"]), "--out", "by-serial")
})

test("a certificate signed for somebody else is exported without a key, and that is said", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, ok, csr, dir } = await caPlace(t)
  await csr("api.csr", "DNS:api.lan")
  await ok("sign", "api.csr", "--name", "api")
  const { code, stderr } = await ca(["export", "api", "--out", "out"])
  assert.equal(code, 0, stderr)
  assert.match(stderr, /its key is kept elsewhere/)
  assert.ok(!(await readdir(join(dir, "out"))).includes("api.key"))
})

test("show decodes a file, a name and standard input; --json gives the same for machines", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, ok, csr, openssl, dir } = await caPlace(t)
  await ok("issue", "www", "--dns", "shop.lan")
  assert.match(await ok("show", "www"), /shop\.lan/)
  await csr("api.csr", "DNS:api.lan")
  assert.match(await ok("show", "api.csr"), /api\.lan/)
  await ok("crl", "--der", "--out", "list.crl")
  assert.ok((await ok("show", "list.crl")).length > 0)
  await writeFile(join(dir, "root.crt"), await ok("root"))
  await openssl("crl2pkcs7", "-nocrl", "-certfile", "root.crt", "-outform", "DER", "-out", "root.p7b")
  assert.match(await ok("show", "root.p7b"), /Purser CA root/)
  const piped = await ca(["show", "-", "--json"], { input: await ok("root") })
  assert.equal(piped.code, 0, piped.stderr)
  assert.equal(typeof JSON.parse(piped.stdout), "object")
  const nothing = await ca(["show", "pass"])
  assert.deepEqual([nothing.code, nothing.stdout], [1, ""])
})
