import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { generateKeyPairSync, X509Certificate } from "node:crypto"
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { inspect, promisify } from "node:util"
import { createIdentity, loadIdentity, loadOrCreateIdentity } from "../../src/channel/identity.ts"
import { PurserError } from "../../src/base/errors.ts"
import { tempDir } from "../support/temp.ts"
import { purserError } from "./support.ts"

const run = promisify(execFile)

test("openssl reads the certificate and verifies its self-signature", async (t) => {
  const file = join(await tempDir(t), "identity.pem")
  await loadOrCreateIdentity(file)
  const { stdout } = await run("openssl", ["x509", "-in", file, "-noout", "-text"])
  for (const fact of [
    /Version: 3 \(0x2\)/,
    /Signature Algorithm: ecdsa-with-SHA256/,
    /Issuer: CN = purser/,
    /Not Before: Jan {2}1 00:00:00 1970 GMT/,
    /Not After : Dec 31 23:59:59 9999 GMT/,
    /NIST CURVE: P-256/,
    /Basic Constraints: critical\s+CA:FALSE/,
    /Key Usage: critical\s+Digital Signature/,
  ]) {
    assert.match(stdout, fact)
  }
  // Without -check_ss_sig openssl does not check the signature of a trusted certificate.
  const verified = await run("openssl", ["verify", "-check_ss_sig", "-CAfile", file, file])
  assert.match(verified.stdout, /: OK/)
  const key = await run("openssl", ["pkey", "-in", file, "-check", "-noout"])
  assert.match(key.stdout + key.stderr, /Key is valid/)
})

test("the certificate belongs to the key, and no two are alike", () => {
  const [a, b] = [createIdentity(), createIdentity()]
  assert.notEqual(a.pin, b.pin)
  const [one, other] = [new X509Certificate(a.certificatePem), new X509Certificate(b.certificatePem)]
  assert.ok(one.verify(one.publicKey))
  assert.ok(!one.verify(other.publicKey))
  assert.notEqual(one.serialNumber, other.serialNumber)
})

test("printing or serialising an identity does not show its key", () => {
  const identity = createIdentity()
  const secret = identity.keyPem.split("\n")[1] ?? ""
  assert.equal(secret.length, 64)
  for (const shown of [
    inspect(identity, { showHidden: true, depth: 9 }),
    JSON.stringify(identity),
    inspect({ identity }),
  ]) {
    assert.ok(!shown.includes(secret.slice(0, 30)))
  }
})

test("creates the file with mode 0600 under any umask, loads it again, and leaves no other file", async (t) => {
  const directory = await tempDir(t)
  const file = join(directory, "identity.pem")
  const before = process.umask(0)
  t.after(() => process.umask(before))
  const created = await loadOrCreateIdentity(file)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  for (const again of [await loadOrCreateIdentity(file), await loadIdentity(file)]) {
    assert.equal(again.pin, created.pin)
    assert.equal(again.keyPem.trim(), created.keyPem.trim())
  }
  assert.deepEqual(await readdir(directory), ["identity.pem"])
})

test("when many create it at once, one wins and all get its key", async (t) => {
  const directory = await tempDir(t)
  const file = join(directory, "identity.pem")
  const all = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateIdentity(file)))
  assert.equal(new Set(all.map(({ pin }) => pin)).size, 1)
  assert.deepEqual(await readdir(directory), ["identity.pem"])
})

test(
  "refuses a file that others can read, with a hint",
  { skip: process.platform === "win32" },
  async (t) => {
    const file = join(await tempDir(t), "identity.pem")
    await loadOrCreateIdentity(file)
    for (const mode of [0o640, 0o604, 0o620, 0o644]) {
      await chmod(file, mode)
      for (const load of [loadIdentity, loadOrCreateIdentity]) {
        await assert.rejects(load(file), (error) => {
          assert.ok(purserError("ERR_IDENTITY", /by others/)(error))
          assert.match((error as PurserError).hint ?? "", /^run chmod 600 /)
          return true
        })
      }
    }
    await chmod(file, 0o400)
    await loadIdentity(file)
  },
)

test("does not create the file through a symlink", async (t) => {
  const directory = await tempDir(t)
  const file = join(directory, "identity.pem")
  await symlink(join(directory, "elsewhere.pem"), file)
  await assert.rejects(loadOrCreateIdentity(file), purserError("ERR_IDENTITY"))
  assert.deepEqual(await readdir(directory), ["identity.pem"])
  assert.ok((await lstat(file)).isSymbolicLink())
})

test("refuses anything but a regular file, without waiting for a FIFO's writer", async (t) => {
  const directory = await tempDir(t)
  await run("mkfifo", ["-m", "600", join(directory, "fifo")])
  await mkdir(join(directory, "directory"))
  await assert.rejects(
    loadIdentity(join(directory, "fifo")),
    purserError("ERR_IDENTITY", /not a regular file/),
  )
  await assert.rejects(loadIdentity(join(directory, "directory")), purserError("ERR_IDENTITY"))
  await assert.rejects(loadIdentity(join(directory, "absent")), purserError("ERR_IDENTITY", /ENOENT/))
  await assert.rejects(
    loadOrCreateIdentity(join(directory, "absent", "x")),
    purserError("ERR_IDENTITY", /ENOENT/),
  )
})

test("refuses a damaged file and names the damage", async (t) => {
  const directory = await tempDir(t)
  const [a, b] = [createIdentity(), createIdentity()]
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export({
    type: "pkcs8",
    format: "pem",
  })
  const cases: [string, string, RegExp][] = [
    ["empty", "", /no private key/],
    ["no-certificate", a.keyPem, /no certificate/],
    ["no-key", a.certificatePem, /no private key/],
    ["other-key", a.keyPem + b.certificatePem, /another key/],
    ["other-curve", `${p384.toString()}${a.certificatePem}`, /P-256/],
    ["cut-key", a.keyPem.replace(/\n.{20}/, "\n") + a.certificatePem, /cannot be read/],
    ["cut-certificate", a.keyPem + a.certificatePem.replace(/\n.{20}/, "\n"), /cannot be read/],
    ["huge", a.keyPem + a.certificatePem + " ".repeat(70_000), /too large/],
  ]
  for (const [name, text, message] of cases) {
    const file = join(directory, name)
    await writeFile(file, text, { mode: 0o600 })
    await assert.rejects(loadOrCreateIdentity(file), purserError("ERR_IDENTITY", message), name)
    assert.equal(await readFile(file, "utf8"), text, "a damaged file is left as it is")
  }
})
