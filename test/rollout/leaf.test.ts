import assert from "node:assert/strict"
import { X509Certificate } from "node:crypto"
import { test } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { leafAmong, leafIn } from "../../src/rollout/leaf.ts"
import { purserError } from "../files/support.ts"
import { tlsFiles } from "../support/tls-files.ts"

test("a check finds the certificate in PEM after a key, in DER, and nothing in a key", async (t) => {
  const { certificate, key } = await tlsFiles(t)
  const expected = leafIn(Buffer.from(certificate))
  assert.ok(expected)
  assert.deepEqual(leafIn(Buffer.from(`${key}${certificate}`)), expected)
  assert.deepEqual(leafIn(new X509Certificate(certificate).raw), expected)
  assert.equal(leafIn(Buffer.from(key)), null)
  const files = [
    { name: "www/ca.crt", content: new Secret((await tlsFiles(t)).certificate) },
    { name: "www/tls.crt", content: new Secret(certificate) },
  ]
  assert.deepEqual(leafAmong({}, files), expected)
  assert.throws(() => leafAmong({ file: "other" }, files), purserError("ERR_CHECK", /"?other"?/))
})
