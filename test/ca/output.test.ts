import assert from "node:assert/strict"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { writeOutputs, type OutputFormat } from "../../src/ca/output.ts"
import { createMarker } from "../support/leaks.ts"
import { mounted } from "../files/support.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { asking, issued, madeCa, run } from "./state.ts"
import type { KeyTypeName } from "../../src/x509/key-families.ts"

const password = new Secret("a pass phrase")

async function stage(t: TestContext, type: KeyTypeName = "p256") {
  const { ca } = await madeCa(t)
  const record = await issued(ca, "www", asking("www.lan", { key: type }))
  const [key, root] = [await ca.keyOf(record), await ca.root()]
  const directory = await tempDir(t)
  const at = (name: string): string => join(directory, name)
  const write = async (formats: readonly OutputFormat[], legacy = false, where = directory) =>
    await writeOutputs(record, key, root, { directory: where, formats, password, legacy })
  const passwordFile = join(await tempDir(t), "pass")
  await writeFile(passwordFile, password.revealText())
  const openssl = async (...args: readonly string[]): Promise<string> =>
    (await run("openssl", ["pkcs12", ...args, "-passin", `file:${passwordFile}`])).stdout
  return { record, key: key?.revealText() ?? "", root, directory, at, write, openssl, passwordFile }
}

test("each file holds what its name says, in the order that programs want, for its owner alone", async (t) => {
  const { record, key, root, at, write, directory } = await stage(t)
  const files = await write(["pem"])
  const intermediate = record.chain.join("")
  const expected = {
    "www.key": key,
    "www.crt": record.certificate,
    "www.chain.crt": intermediate,
    "www.fullchain.crt": record.certificate + intermediate,
    "www.pem": key + record.certificate + intermediate + root,
  }
  assert.deepEqual(files.toSorted(), Object.keys(expected).map(at).toSorted())
  for (const [name, content] of Object.entries(expected)) {
    assert.equal(await readFile(at(name), "utf8"), content, name)
    assert.equal((await stat(at(name))).mode & 0o777, 0o600, name)
  }
  await write(["pem"])
  assert.equal((await readdir(directory)).length, 5, "written again, nothing is left over")
})

for (const type of ["p256", "p384", "ed25519", "rsa2048"] as const) {
  test(`openssl opens the PKCS#12 of ${type}, with its chain, whichever ciphers it has`, async (t) => {
    if (!(await requireService(t, "openssl"))) return
    const { record, key, at, write, openssl, passwordFile } = await stage(t, type)
    for (const legacy of [false, true]) {
      await write(["p12"], legacy)
      const inside = await openssl("-in", at("www.p12"), "-noenc")
      const certificates = inside.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []
      assert.deepEqual(certificates, [record.certificate, ...record.chain])
      const found = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(inside)?.[0] ?? ""
      assert.ok(createPrivateKey(found).equals(createPrivateKey(key)))
      assert.match(inside, /friendlyName: www/)
      const info = ["pkcs12", "-info", "-in", at("www.p12"), "-passin", `file:${passwordFile}`, "-noout"]
      const { stderr } = await run("openssl", info)
      assert.match(
        stderr,
        legacy
          ? /MAC: sha1,[^]*pbeWithSHA1And3-KeyTripleDES-CBC/
          : /MAC: sha256,[^]*PBES2, PBKDF2, AES-256-CBC, Iteration 100000/,
      )
    }
  })
}

test("a wrong password opens nothing", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { at, write } = await stage(t)
  await write(["p12", "truststore"])
  for (const name of ["www.p12", "truststore.p12"])
    await assert.rejects(
      run("openssl", ["pkcs12", "-in", at(name), "-passin", "pass:wrong", "-noout"]),
      /invalid password/i,
    )
})

for (const type of ["p256", "p384", "ed25519", "rsa2048"] as const) {
  test(`keytool finds a ${type} key with its chain, and a root that Java trusts`, async (t) => {
    if (!(await requireService(t, "keytool"))) return
    const { record, root, at, write, passwordFile } = await stage(t, type)
    // Its letters beyond ASCII are read as the locale says.
    const env = { ...process.env, LC_ALL: "C.UTF-8" }
    for (const legacy of [false, true]) {
      await write(["p12", "truststore"], legacy)
      const list = async (name: string): Promise<string> => {
        const args = [
          "-list",
          "-v",
          "-storetype",
          "PKCS12",
          "-keystore",
          at(name),
          "-storepass:file",
          passwordFile,
        ]
        return (await run("keytool", ["-J-Duser.language=en", ...args], { env })).stdout
      }
      const store = await list("www.p12")
      assert.match(store, /Alias name: www\n[^]*PrivateKeyEntry[^]*Certificate chain length: 2/)
      const fingerprint = (pem: string): string => new X509Certificate(pem).fingerprint256
      assert.ok(store.includes(fingerprint(record.certificate)))
      const trusted = await list("truststore.p12")
      assert.match(trusted, /Alias name: root\n[^]*trustedCertEntry/)
      assert.ok(trusted.includes(fingerprint(root)))
    }
  })
}

test("certtool reads the PKCS#12", async (t) => {
  if (!(await requireService(t, "certtool"))) return
  const { at, write } = await stage(t)
  await write(["p12"])
  const { stdout } = await run("certtool", [
    "--p12-info",
    "--inder",
    "--infile",
    at("www.p12"),
    "--password",
    password.revealText(),
  ])
  assert.match(stdout, /Schema: PBES2-AES256-CBC[^]*BEGIN CERTIFICATE[^]*BEGIN ENCRYPTED PRIVATE KEY/)
})

test("without its key there are the public files, and no PKCS#12", async (t) => {
  const { record, root, directory } = await stage(t)
  const files = await writeOutputs(record, null, root, { directory, formats: ["pem"] })
  assert.ok(!files.some((file) => file.endsWith(".key")))
  assert.ok(!(await readFile(join(directory, "www.pem"), "utf8")).includes("PRIVATE"))
  await assert.rejects(writeOutputs(record, null, root, { directory, formats: ["p12"], password }), {
    code: "ERR_CA",
    message: /the key of www is not in the key store/,
  })
})

test("a directory that is not there is not made, and one that is a file is told", async (t) => {
  const { at, write } = await stage(t)
  await assert.rejects(write(["pem"], false, at("none")), { code: "ERR_CA", hint: /^mkdir -m 700/ })
  await writeFile(at("file"), "")
  await assert.rejects(write(["pem"], false, at("file")), { code: "ERR_CA", message: /is not a directory/ })
})

test("on a full disk nothing is written, and what was there stays", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const { write } = await stage(t)
  const small = await mounted(t, "-t", "tmpfs", "-o", "size=16k", "tmpfs")
  await writeFile(join(small, "www.key"), "the old one")
  await writeFile(join(small, "filler"), Buffer.alloc(4096))
  await assert.rejects(write(["pem", "p12"], false, small), { code: "ERR_CA", message: /ENOSPC|no space/ })
  assert.deepEqual((await readdir(small)).toSorted(), ["filler", "www.key"])
  assert.equal(await readFile(join(small, "www.key"), "utf8"), "the old one")
})

test("no password is in an error", async (t) => {
  const { record, key, root, at } = await stage(t)
  const marker = createMarker()
  const writing = writeOutputs(record, new Secret(key), root, {
    directory: at("none"),
    formats: ["p12"],
    password: new Secret(marker),
  })
  await assert.rejects(
    writing,
    (error: Error) => !JSON.stringify([error, error.message, error.stack]).includes(marker),
  )
})
