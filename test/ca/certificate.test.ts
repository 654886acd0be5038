import assert from "node:assert/strict"
import { createPublicKey, X509Certificate, type KeyObject } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import fc from "fast-check"
import { pem } from "../../src/x509/der.ts"
import { isPurserError } from "../../src/base/errors.ts"
import { checkNames } from "../../src/ca/certificate-spec.ts"
import { newSerial, signCertificate, validity, type Profile } from "../../src/ca/certificate.ts"
import type { Constraints } from "../../src/ca/config.ts"
import { signCrl } from "../../src/ca/crl.ts"
import { generateKey } from "../../src/ca/keys.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { asking, run } from "./state.ts"

const day = 86_400_000
const now = new Date(Math.floor(Date.now() / 1000) * 1000)
const keys = {
  root: await generateKey("p256"),
  intermediate: await generateKey("p384"),
  leaf: await generateKey("ed25519"),
}

function profile(kind: Profile["kind"], key: KeyObject, more: Partial<Profile> = {}): Profile {
  return {
    kind,
    subject: kind === "leaf" ? "" : `the ${kind}`,
    publicKey: createPublicKey(key),
    serial: newSerial(),
    notBefore: new Date(now.getTime() - day),
    notAfter: new Date(now.getTime() + 30 * day),
    ...more,
  }
}

function chain(constraints?: Constraints, leaf: Partial<Profile> = {}) {
  const root = signCertificate(
    profile("root", keys.root, { pathLength: 1, ...(constraints === undefined ? {} : { constraints }) }),
    keys.root,
  )
  const by = { certificate: root, key: keys.root }
  const intermediate = signCertificate(profile("intermediate", keys.intermediate, { pathLength: 0 }), by)
  const below = { certificate: intermediate, key: keys.intermediate }
  const ask = checkNames(asking("shop.lan"))
  return {
    root,
    intermediate,
    below,
    leaf: signCertificate(profile("leaf", keys.leaf, { ask, ...leaf }), below),
  }
}

/** Null when openssl accepts it, else what it says. */
async function opensslRefuses(t: TestContext, made: ReturnType<typeof chain>): Promise<string | null> {
  const directory = await tempDir(t)
  const file = async (name: string, der: Buffer): Promise<string> => {
    await writeFile(join(directory, name), pem("CERTIFICATE", der))
    return join(directory, name)
  }
  const root = await file("root", made.root)
  const untrusted = await file("intermediate", made.intermediate)
  const leaf = await file("leaf", made.leaf)
  return await run("openssl", [
    "verify",
    "-x509_strict",
    "-CAfile",
    root,
    "-untrusted",
    untrusted,
    leaf,
  ]).then(
    () => null,
    (error: { stderr: string }) => error.stderr,
  )
}

async function text(der: Buffer, ...args: readonly string[]): Promise<string> {
  const process = run("openssl", ["x509", "-noout", ...args])
  process.child.stdin?.end(pem("CERTIFICATE", der))
  return (await process).stdout
}

test("a certificate says what it is for, and no more", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const crlUrl = "http://crl.lan/ca.crl"
  const { root, intermediate, leaf } = chain(undefined, { crlUrl })
  const ofRoot = await text(root, "-text")
  assert.match(ofRoot, /Basic Constraints: critical\s+CA:TRUE, pathlen:1/)
  assert.match(ofRoot, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
  assert.ok(!ofRoot.includes("Name Constraints"))
  assert.match(await text(intermediate, "-text"), /CA:TRUE, pathlen:0/)
  const ofLeaf = await text(leaf, "-text")
  assert.match(ofLeaf, /Basic Constraints: critical\s+CA:FALSE/)
  assert.match(ofLeaf, /Key Usage: critical\s+Digital Signature\n/)
  assert.match(ofLeaf, /Extended Key Usage: *\n\s+TLS Web Server Authentication\n/)
  assert.match(ofLeaf, /Subject Alternative Name: *\n\s+DNS:shop\.lan\n/)
  assert.match(ofLeaf, /URI:http:\/\/crl\.lan\/ca\.crl/)
  assert.match(ofLeaf, /Subject: CN = shop\.lan\n/)
  assert.match(ofLeaf, /Version: 3/)
  const identifiers = async (der: Buffer): Promise<string> => await text(der, "-ext", "subjectKeyIdentifier")
  const authority = await text(leaf, "-ext", "authorityKeyIdentifier")
  assert.equal(
    authority.trim().split("\n").at(-1)?.trim(),
    (await identifiers(intermediate)).trim().split("\n").at(-1)?.trim(),
  )
})

test("Node takes each for what it is: who issued it, for which host, and whether it is a CA", () => {
  const made = chain()
  const [root, intermediate, leaf] = [made.root, made.intermediate, made.leaf].map(
    (der) => new X509Certificate(der),
  )
  assert.ok(root && intermediate && leaf)
  assert.deepEqual([root.ca, intermediate.ca, leaf.ca], [true, true, false])
  for (const [issuer, issued] of [
    [root, root],
    [root, intermediate],
    [intermediate, leaf],
  ] as const) {
    assert.ok(issued.checkIssued(issuer))
    assert.ok(issued.verify(issuer.publicKey))
  }
  assert.ok(!leaf.checkIssued(root) && !leaf.verify(root.publicKey))
  assert.equal(leaf.checkHost("shop.lan"), "shop.lan")
  assert.equal(leaf.checkHost("a.shop.lan"), undefined)
})

test("one for clients and mail says so; an RSA key may encipher; a name too long for a subject leaves it empty", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const long = `${"a".repeat(60)}.shop.lan`
  const ask = checkNames(asking(long, { client: true, email: ["ops@shop.lan"] }))
  const publicKey = createPublicKey(await generateKey("rsa2048"))
  const { leaf } = chain(undefined, { ask: { ...ask, email: [] }, publicKey })
  const described = await text(leaf, "-text")
  assert.match(described, /Subject: *\n/)
  assert.match(described, /Subject Alternative Name: critical/)
  assert.match(described, /Key Usage: critical\s+Digital Signature, Key Encipherment\n/)
  assert.match(described, /TLS Web Server Authentication, TLS Web Client Authentication\n/)
  const mail = chain(undefined, { ask }).leaf
  assert.match(await text(mail, "-text"), /TLS Web Client Authentication, E-mail Protection/)
})

test("name constraints hold for what openssl verifies, of every kind, and leave no other kind free", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const only = (more: Partial<Constraints>): Constraints => ({ dns: [], ip: [], email: [], ...more })
  const cases: [Constraints, Parameters<typeof asking>, boolean][] = [
    [only({ dns: [".lan"] }), ["shop.lan"], true],
    [only({ dns: ["shop.lan"] }), ["a.shop.lan"], true],
    [only({ dns: [".lan"] }), ["shop.example"], false],
    [only({ dns: [".lan"] }), ["lan"], false],
    [only({ dns: [".lan"] }), ["shop.lan", { ip: ["192.0.2.7"] }], false],
    [only({ dns: [".lan"] }), ["shop.lan", { ip: ["::1"] }], false],
    [only({ dns: [".lan"] }), ["shop.lan", { email: ["ops@shop.lan"] }], false],
    [only({ ip: ["10.0.0.0/8"] }), [[], { ip: ["10.1.2.3"] }], true],
    [only({ ip: ["10.0.0.0/9"] }), [[], { ip: ["10.200.2.3"] }], false],
    [only({ ip: ["fd00::/8"] }), [[], { ip: ["fd12::1"] }], true],
    [only({ ip: ["10.0.0.0/8"] }), ["shop.lan"], false],
    [only({ email: ["@shop.lan"] }), [[], { email: ["ops@shop.lan"] }], true],
    [only({ email: ["@shop.lan"] }), [[], { email: ["ops@other.lan"] }], false],
    [only({ email: ["ops@shop.lan"] }), [[], { email: ["root@shop.lan"] }], false],
  ]
  for (const [constraints, ask, accepted] of cases) {
    const made = chain(constraints, { ask: checkNames(asking(...ask)) })
    const refusal = await opensslRefuses(t, made)
    const shown = `${JSON.stringify(constraints)} ${JSON.stringify(ask)}: ${refusal}`
    assert.equal(refusal === null, accepted, shown)
    if (!accepted) assert.match(refusal ?? "", /subtree violation|unsupported/i, shown)
  }
})

test("a CA certificate below an intermediate is not accepted", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const made = chain()
  const third = signCertificate(profile("intermediate", keys.leaf, { subject: "a third" }), made.below)
  const leaf = signCertificate(profile("leaf", keys.root, { ask: checkNames(asking("shop.lan")) }), {
    certificate: third,
    key: keys.leaf,
  })
  const both = Buffer.from(`${pem("CERTIFICATE", made.intermediate)}${pem("CERTIFICATE", third)}`)
  const directory = await tempDir(t)
  const at = (name: string): string => join(directory, name)
  await writeFile(at("root"), pem("CERTIFICATE", made.root))
  await writeFile(at("both"), both)
  await writeFile(at("leaf"), pem("CERTIFICATE", leaf))
  const verify = run("openssl", ["verify", "-CAfile", at("root"), "-untrusted", at("both"), at("leaf")])
  await assert.rejects(verify, { stderr: /path length constraint exceeded/ })
})

test("a serial number has 128 bits, is positive, and does not come again", () => {
  const seen = new Set<string>()
  for (let index = 0; index < 2000; index++) {
    const serial = newSerial()
    assert.equal(serial.length, 16)
    // As others read it: positive, and with all of its digits.
    if (index < 50) {
      const { leaf } = chain(undefined, { serial })
      assert.equal(new X509Certificate(leaf).serialNumber, serial.toString("hex").toUpperCase())
    }
    assert.notEqual(serial[0], 0)
    seen.add(serial.toString("hex"))
  }
  assert.equal(seen.size, 2000)
})

test("the validity begins shortly before now and stays within the issuer's", () => {
  const issuer = new X509Certificate(chain().root)
  const [start, end] = [issuer.validFromDate.getTime(), issuer.validToDate.getTime()]
  fc.assert(
    fc.property(
      fc.integer({ min: -10 * day, max: 40 * day }),
      fc.integer({ min: 1, max: 60 }),
      fc.boolean(),
      (shift, days, cap) => {
        const at = new Date(now.getTime() + shift)
        try {
          const { notBefore, notAfter } = validity(at, days, issuer, { cap })
          assert.ok(notBefore.getTime() >= start && notAfter.getTime() <= end)
          assert.ok(notBefore <= at && at < notAfter)
          assert.ok(at.getTime() - notBefore.getTime() <= 301_000)
          assert.equal(notAfter.getTime() % 1000, 0)
        } catch (error) {
          if (at.getTime() < start) return assert.ok(isPurserError(error, "ERR_CLOCK"), String(error))
          assert.ok(isPurserError(error, "ERR_CA_POLICY"), String(error))
          assert.ok(cap ? at.getTime() >= end : at.getTime() + days * day > end - 1000)
        }
      },
    ),
  )
})

test("certtool reads what we make, and verifies the chain", async (t) => {
  if (!(await requireService(t, "certtool"))) return
  for (const constraints of [undefined, { dns: [".lan"], ip: ["10.0.0.0/8"], email: ["@shop.lan"] }]) {
    const made = chain(constraints)
    const directory = await tempDir(t)
    const at = (name: string): string => join(directory, name)
    await writeFile(at("root"), pem("CERTIFICATE", made.root))
    await writeFile(at("chain"), `${pem("CERTIFICATE", made.leaf)}${pem("CERTIFICATE", made.intermediate)}`)
    const args = ["--verify", "--load-ca-certificate", at("root"), "--infile", at("chain")]
    const { stdout } = await run("certtool", [...args, "--verify-hostname", "shop.lan"])
    assert.match(stdout, /Chain verification output: Verified/)
  }
})

test("a CRL is signed by its CA, numbered, and names its reasons", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { below, intermediate } = chain()
  const entries = [
    { serial: Buffer.from("4fff01", "hex"), at: now, reason: "keyCompromise" },
    { serial: Buffer.from("8000", "hex"), at: now, reason: "unspecified" },
  ]
  const crl = signCrl(entries, 2_000_000_000, now, 7, below)
  const directory = await tempDir(t)
  const at = (name: string): string => join(directory, name)
  await writeFile(at("crl"), crl)
  await writeFile(at("ca"), pem("CERTIFICATE", intermediate))
  const args = ["crl", "-inform", "DER", "-in", at("crl"), "-CAfile", at("ca"), "-noout", "-text", "-verify"]
  const { stdout, stderr } = await run("openssl", args)
  assert.match(stderr, /verify OK/)
  assert.match(stdout, /Version 2/)
  assert.match(stdout, /X509v3 CRL Number: *\n\s+2000000000\n/)
  assert.match(stdout, /Serial Number: 4FFF01\n[^]*Key Compromise[^]*Serial Number: 8000\n/)
  assert.equal(stdout.match(/CRL Reason Code/g)?.length, 1)
  assert.match(
    (await run("openssl", ["crl", "-inform", "DER", "-in", at("crl"), "-noout", "-nextupdate"])).stdout,
    /nextUpdate=/,
  )
  await writeFile(at("none"), signCrl([], 1, now, 7, below))
  const none = await run("openssl", ["crl", "-inform", "DER", "-in", at("none"), "-noout", "-text"])
  assert.match(none.stdout, /No Revoked Certificates/)
  assert.throws(
    () => signCrl([{ serial: Buffer.from("01", "hex"), at: now, reason: "removeFromCRL" }], 1, now, 7, below),
    TypeError,
  )
})
