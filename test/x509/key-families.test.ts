import assert from "node:assert/strict"
import { generateKeyPair } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { isPurserError } from "../../src/base/errors.ts"
import { readRequest } from "../../src/ca/csr.ts"
import { keyTypeOf } from "../../src/ca/keys.ts"
import { certificateRequest } from "../../src/x509/csr.ts"
import * as der from "../../src/x509/der.ts"
import {
  anyOf,
  keyFamilies,
  keyTypeNames,
  keyTypesOf,
  signatureAlgorithm,
} from "../../src/x509/key-families.ts"
import type { KeyFamily } from "../../src/x509/key-family.ts"
import { requireService } from "../support/services.ts"
import { run } from "../ca/state.ts"

const docs = resolve(import.meta.dirname, "../../docs")
const names = { dns: ["shop.lan"], ip: [], email: [] }

/** A family that Purser does not have (RFC 8410). Adding it takes one object and one element of the list. */
const ed448Family: KeyFamily<"ed448"> = {
  title: "Ed448",
  has: ({ asymmetricKeyType: type }) => type === "ed448",
  types: [
    {
      name: "ed448",
      is: () => true,
      generate: async () => (await promisify(generateKeyPair)("ed448")).privateKey,
    },
  ],
  signature: { identifier: der.sequence(der.oid("1.3.101.113")), hash: null },
  accepts: { "1.3.101.113": null },
  enciphers: false,
  weakness: () => null,
}
const families = [...keyFamilies, ed448Family]

async function ed448Request(): Promise<Buffer> {
  const key = await keyTypesOf([ed448Family])[0]?.generate()
  assert.ok(key)
  assert.equal(keyTypeOf(key, families), "ed448")
  return Buffer.from(certificateRequest(key, signatureAlgorithm(key, families), names, "shop.lan"))
}

test("a request for a key of another family is read by openssl and by us", async (t) => {
  const request = await ed448Request()
  const { keyType, dns } = await readRequest(request, families)
  assert.deepEqual([keyType, dns], ["ed448", ["shop.lan"]])
  if (!(await requireService(t, "openssl"))) return
  const work = run("openssl", ["req", "-verify", "-noout", "-text"])
  work.child.stdin?.end(request)
  const { stdout, stderr } = await work
  assert.match(
    stdout + stderr,
    /verify OK[^]*Public Key Algorithm: ED448|Public Key Algorithm: ED448[^]*verify OK/,
  )
})

test("a key of a family that is not on the list is refused, and the error names the listed ones", async () => {
  await assert.rejects(readRequest(await ed448Request()), (error) => {
    assert.ok(isPurserError(error, "ERR_CERTIFICATE"))
    assert.match(error.message, /its key is of an unsupported kind/)
    assert.equal(error.hint, "use EC P-256, EC P-384, Ed25519 or RSA")
    return true
  })
})

test("every key type has a unique name, which is documented", async () => {
  assert.equal(new Set(keyTypeNames).size, keyTypeNames.length)
  for (const file of ["ca.md", "configuration.md"]) {
    const text = await readFile(join(docs, file), "utf8")
    for (const name of keyTypeNames) assert.ok(text.includes(`\`${name}\``), `${file} lacks ${name}`)
  }
  assert.equal(anyOf(keyTypeNames), "p256, p384, ed25519, rsa2048, rsa3072 or rsa4096")
  assert.equal(anyOf(["one"]), "one")
})
