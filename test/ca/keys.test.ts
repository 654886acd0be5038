import assert from "node:assert/strict"
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { inspect } from "node:util"
import { Secret } from "../../src/base/secret.ts"
import { isPurserError } from "../../src/base/errors.ts"
import { generateKey, keyId, keyTypeOf, openKey, sealKey } from "../../src/ca/keys.ts"
import { createMarker } from "../support/leaks.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { run } from "./state.ts"

test("a key is of the type that was asked for, and has one name, private or public", async () => {
  for (const type of ["p256", "p384", "ed25519", "rsa2048", "rsa3072"] as const) {
    const key = await generateKey(type)
    assert.equal(keyTypeOf(key), type)
    assert.equal(keyTypeOf(createPublicKey(key)), type)
    assert.match(keyId(key), /^[0-9a-f]{32}$/)
    assert.equal(keyId(key), keyId(createPublicKey(key)))
  }
  assert.equal(keyTypeOf(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey), null)
  assert.equal(keyTypeOf(generateKeyPairSync("x25519").publicKey), null)
})

test("what is sealed is opened by us, and by openssl, with 600,000 rounds", async (t) => {
  const passphrase = new Secret("correct horse")
  const same = (a: KeyObject, b: KeyObject): void => assert.ok(a.equals(b))
  for (const type of ["p256", "p384", "ed25519", "rsa2048"] as const) {
    const key = await generateKey(type)
    const pem = await sealKey(key, passphrase)
    assert.match(pem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    same(await openKey(pem, passphrase, "the key"), key)
    if (!(await requireService(t, "openssl"))) return
    const directory = await tempDir(t)
    const [file, pass] = [join(directory, "key"), join(directory, "pass")]
    await writeFile(file, pem)
    await writeFile(pass, "correct horse\n")
    const { stdout } = await run("openssl", ["pkey", "-in", file, "-passin", `file:${pass}`])
    same(createPrivateKey(stdout), key)
    const parsed = await run("openssl", ["asn1parse", "-in", file])
    assert.match(parsed.stdout, /PBKDF2[^]*INTEGER +:0927C0[^]*hmacWithSHA256[^]*aes-256-cbc/)
  }
})

test("a passphrase that could not open the key again seals none", async (t) => {
  const key = await generateKey("p256")
  const longest = new Secret("x".repeat(1023))
  const pem = await sealKey(key, longest)
  assert.ok((await openKey(pem, longest, "the key")).equals(key))
  for (const passphrase of ["", "x".repeat(1024), "\u00e4".repeat(512), "x".repeat(4096)])
    await assert.rejects(sealKey(key, new Secret(passphrase)), {
      code: "ERR_PASSPHRASE",
      message: /1 to 1023/,
    })
  if (!(await requireService(t, "openssl"))) return
  const [file, pass] = [join(await tempDir(t), "key"), join(await tempDir(t), "pass")]
  await writeFile(file, pem)
  await writeFile(pass, longest.reveal())
  const { stdout } = await run("openssl", ["pkey", "-in", file, "-passin", `file:${pass}`])
  assert.ok(createPrivateKey(stdout).equals(key))
})

test("two seals of one key have nothing in common", async () => {
  const key = await generateKey("p256")
  const [one, two] = [await sealKey(key, new Secret("a")), await sealKey(key, new Secret("a"))]
  const body = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ""), "base64")
  assert.notDeepEqual(body(one).subarray(-64), body(two).subarray(-64))
})

test("a wrong passphrase, a damaged key and another kind of file look the same, and show nothing", async () => {
  const marker = createMarker()
  const key = await generateKey("p256")
  const right = new Secret("open sesame")
  const sealed = await sealKey(key, right)
  const plain = key.export({ type: "pkcs8", format: "pem" }).toString()
  const lines = sealed.split("\n")
  const damaged = [lines[0], lines[1], ...lines.slice(2).map((line) => line.replaceAll("A", "B"))].join("\n")
  const foreign = generateKeyPairSync("x25519")
    .privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "open sesame" })
    .toString()
  const told = new Set<string>()
  const tries: [string, Secret][] = [
    [sealed, new Secret(marker)],
    [sealed, new Secret("")],
    [damaged, right],
    [lines.slice(0, 3).join("\n"), right],
    ["", right],
    [plain, right],
    [foreign, right],
    [`-----BEGIN ENCRYPTED PRIVATE KEY-----\n${marker}\n-----END ENCRYPTED PRIVATE KEY-----\n`, right],
  ]
  for (const [pem, passphrase] of tries) {
    await assert.rejects(openKey(pem, passphrase, "the key"), (error: unknown) => {
      assert.ok(isPurserError(error, "ERR_PASSPHRASE"))
      const all = inspect(error, { showHidden: true, depth: Infinity })
      for (const needle of [marker, "open sesame", lines[2] ?? "", plain.split("\n")[1] ?? ""])
        assert.ok(!all.includes(needle), "nothing of passphrase or key")
      assert.equal(error.cause, undefined)
      told.add(`${error.message} ${error.hint}`)
      return true
    })
  }
  assert.equal(told.size, 1, "no oracle")
})

test("of a thousand wrong passphrases none opens the key, also where the padding happens to fit", async () => {
  // A seal of few rounds would do as well: the padding is what one in 256 fits by chance.
  const key = await generateKey("ed25519")
  const pem = key
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "right" })
    .toString()
  for (let index = 0; index < 1000; index++)
    await assert.rejects(openKey(pem, new Secret(`wrong ${index}`), "the key"), { code: "ERR_PASSPHRASE" })
})
