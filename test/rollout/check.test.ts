import assert from "node:assert/strict"
import { X509Certificate } from "node:crypto"
import { describe, it } from "node:test"
import fc from "fast-check"
import { Secret } from "../../src/base/secret.ts"
import {
  checkServed,
  formatCheck,
  leafAmong,
  leafIn,
  localHosts,
  parseCheck,
} from "../../src/rollout/check.ts"
import { tlsFiles } from "../support/tls-files.ts"
import { purserError } from "../files/support.ts"
import { freePort } from "../support/free-port.ts"
import { directoryWith, serve } from "./support.ts"

const signal = new AbortController().signal

describe("a check as text", () => {
  it("is read and written the same", () => {
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,10}$/)
    const host = fc.oneof(
      fc.constant(null),
      word.filter((text) => !/^[\d.]+$/.test(text)),
      fc.constant("::1"),
      fc.ipV4(),
    )
    const checks = fc.record({
      host,
      port: fc.integer({ min: 1, max: 65_535 }),
      withinMs: fc.integer({ min: 1, max: 600_000 }),
    })
    fc.assert(
      fc.property(checks, fc.option(word), (check, file) => {
        const whole = { ...check, ...(file === null ? {} : { file }), serverName: "shop.lan" }
        assert.deepEqual(parseCheck(formatCheck(whole)), whole)
      }),
    )
  })

  it("is read, or refused with ERR_USAGE, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
        try {
          parseCheck(text)
        } catch (error) {
          assert.ok(purserError("ERR_USAGE", /./)(error))
        }
      }),
    )
    const wrong = [
      "",
      "host",
      ":0",
      ":65536",
      ":443 file",
      ":443 within=0s",
      ":443 within=11m",
      ":443 name=1.2.3.4",
    ]
    for (const text of [...wrong, ":443 file=a file=b", "[x]:443", "a b:443", "-a:443"])
      assert.throws(() => parseCheck(text), purserError("ERR_USAGE", /./), text)
  })
})

describe("a check", () => {
  it("finds the certificate in PEM after a key, in DER, and nothing in a key", async (t) => {
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

  it("waits for a server that comes late, and names what it found when it does not", async (t) => {
    const files = await tlsFiles(t)
    const port = await freePort()
    const expected = leafIn(Buffer.from(files.certificate)) ?? { sha256: "" }
    await assert.rejects(
      checkServed(parseCheck(`127.0.0.1:${port} within=300ms`), expected, [], signal),
      purserError("ERR_CHECK", new RegExp(`127\\.0\\.0\\.1:${port} cannot be asked \\(ECONNREFUSED\\)`)),
    )
    const checking = checkServed(parseCheck(`:${port} within=15s`), expected, localHosts, signal)
    await serve(t, await directoryWith(t, files), "usual", port)
    await checking
    const other = leafIn(Buffer.from((await tlsFiles(t)).certificate)) ?? { sha256: "" }
    await assert.rejects(
      checkServed(parseCheck(`127.0.0.1:${port} within=300ms`), other, [], signal),
      purserError(
        "ERR_CHECK",
        new RegExp(`${other.sha256.slice(0, 16)}.*serves sha256:${expected.sha256.slice(0, 16)}`),
      ),
    )
  })

  it("ends at once when it is cancelled", async () => {
    const stop = new AbortController()
    const checking = checkServed(parseCheck("127.0.0.1:1 within=10m"), { sha256: "0" }, [], stop.signal)
    stop.abort(new Error("stopped"))
    await assert.rejects(checking, /stopped/)
  })
})
