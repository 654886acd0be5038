import assert from "node:assert/strict"
import { X509Certificate } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { importCertificates, type ImportOptions } from "../../src/ca/import.ts"
import { requestCertificate } from "../../src/ca/request.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { asking, emptyCa, hasItsKey, opensslVerify, run, signal } from "./state.ts"

/** A corporate CA by the real openssl: root, issuing CA, and what it answers to a request of ours. */
async function stage(t: TestContext, { rootExtensions = "", issuerExtensions = "" } = {}) {
  const { ca } = await emptyCa(t)
  const dir = await tempDir(t)
  const at = (name: string): string => join(dir, name)
  const openssl = async (...args: string[]): Promise<unknown> => await run("openssl", args, { cwd: dir })
  const { csr, id } = await requestCertificate(ca, "shop", asking("shop.lan"), signal)
  await writeFile(at("shop.csr"), csr)
  const isCa = [
    "basicConstraints=critical,CA:true",
    "keyUsage=keyCertSign",
    "subjectKeyIdentifier=hash",
    "authorityKeyIdentifier=keyid:always",
  ].join("\n")
  let files = 0
  const sign = async (request: string, by: string, extensions: string, out: string): Promise<string> => {
    const file = `extensions-${++files}`
    await writeFile(at(file), `${extensions}\n`)
    const signing = ["-CA", `${by}.crt`, "-CAkey", `${by}.key`, "-CAcreateserial", "-days", "30"]
    await openssl("x509", "-req", "-in", request, ...signing, "-extfile", file, "-out", out)
    return await readFile(at(out), "utf8")
  }
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  const makeRoot = async (name: string, subject: string): Promise<string> => {
    await writeFile(
      at(`${name}.cnf`),
      `[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\n${rootExtensions || isCa}\n`,
    )
    const files = ["-config", `${name}.cnf`, "-keyout", `${name}.key`, "-out", `${name}.crt`]
    await openssl("req", "-x509", ...key, "-days", "60", "-subj", subject, ...files)
    return await readFile(at(`${name}.crt`), "utf8")
  }
  const makeIssuer = async (name: string, by: string, subject: string): Promise<string> => {
    const files = ["-keyout", `${name}.key`, "-out", `${name}.csr`]
    await openssl("req", "-new", ...key, "-subj", subject, ...files)
    return await sign(`${name}.csr`, by, issuerExtensions || isCa, `${name}.crt`)
  }
  const root = await makeRoot("root", "/CN=corporate root")
  const issuer = await makeIssuer("issuer", "root", "/CN=corporate issuer")
  const leaf = await sign(
    "shop.csr",
    "issuer",
    "subjectAltName=DNS:shop.lan\nauthorityKeyIdentifier=keyid:always",
    "shop.crt",
  )
  const warnings: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
  const take = async (texts: readonly (string | Buffer)[], options: Partial<ImportOptions> = {}) =>
    await importCertificates(
      ca,
      texts.map((text, index) => ({ name: `file ${index}`, bytes: Buffer.from(text) })),
      { log, ...options },
      signal,
    )
  const refused = async (
    why: RegExp,
    texts: readonly (string | Buffer)[],
    options: Partial<ImportOptions> = {},
  ): Promise<void> => {
    await assert.rejects(take(texts, options), (error: unknown) => {
      assert.ok(isPurserError(error, "ERR_CERTIFICATE"), String(error))
      assert.match(`${error.message}; ${error.hint}`, why)
      return true
    })
    assert.equal((await ca.requests()).length, 1, "the request still waits")
  }
  return { ca, at, openssl, sign, makeRoot, makeIssuer, root, issuer, leaf, id, warnings, take, refused }
}

const later = (days: number): Date => new Date(Date.now() + days * 86_400_000)

test("an answer in any order becomes a record with its chain and root, and nothing waits any more", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, take, root, issuer, leaf, id, warnings } = await stage(t)
  const [record] = await take([`some text\r\n${root.replaceAll("\n", "\r\n")}`, issuer + leaf])
  assert.ok(record)
  assert.deepEqual([record.name, record.origin, record.keyId], ["shop", "imported", id])
  assert.deepEqual([record.certificate, record.chain, record.root], [leaf, [issuer], root])
  assert.deepEqual(await ca.requests(), [])
  assert.ok(await hasItsKey(ca, record))
  assert.match(await opensslVerify(t, record, root), /leaf: OK/)
  assert.deepEqual(warnings, [])
})

test("an answer as PKCS#7 in DER is taken too", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { at, openssl, take, root, leaf } = await stage(t)
  const files = ["root.crt", "shop.crt", "issuer.crt"].flatMap((name) => ["-certfile", name])
  await openssl("crl2pkcs7", "-nocrl", ...files, "-outform", "DER", "-out", "all.p7b")
  const [record] = await take([await readFile(at("all.p7b"))])
  assert.deepEqual([record?.certificate, record?.root], [leaf, root])
})

test("without a root the topmost intermediate stands for it, and that is said", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { take, issuer, leaf, warnings } = await stage(t)
  const [record] = await take([leaf, issuer])
  assert.deepEqual([record?.chain, record?.root], [[issuer], issuer])
  assert.match(warnings.join(), /the certificate of "CN=corporate root" is missing/)
})

test("names that differ from what was asked are a warning; a renewed certificate for the same key is taken", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca, sign, take, root, issuer, leaf, warnings } = await stage(t)
  await take([leaf, issuer, root])
  const renewed = await sign("shop.csr", "issuer", "subjectAltName=DNS:www.shop.lan", "again.crt")
  const [record] = await take([renewed])
  assert.deepEqual([record?.certificate, record?.chain, record?.root], [renewed, [issuer], root])
  assert.match(warnings.join(), /lacks the requested names "shop\.lan"/)
  assert.equal((await ca.find("shop"))?.certificate, renewed)
})

test("a second request of the same name is refused while the first waits", async (t) => {
  const { ca } = await emptyCa(t)
  await requestCertificate(ca, "shop", asking("shop.lan"), signal)
  await assert.rejects(requestCertificate(ca, "shop", asking("shop.lan"), signal), { code: "ERR_WAITING" })
})

test("what matches no key is refused, and says which requests wait", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { refused, root, issuer } = await stage(t)
  await refused(/not for a key in the key store|none of these.*pending requests: shop/, [issuer, root])
})

test("what has expired or not begun is refused", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { refused, root, issuer, leaf } = await stage(t)
  await refused(/expired at/, [leaf, issuer, root], { now: later(31) })
  await refused(/is not valid before/, [leaf, issuer, root], { now: later(-2) })
})

test("a chain with a gap is refused by the name of what is missing", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { refused, root, leaf } = await stage(t)
  const why = /gap: the certificate of "CN=corporate issuer" is missing/
  await refused(why, [leaf, root])
  await refused(why, [leaf], { roots: [new X509Certificate(root)] })
})

test("a chain that ends in a stranger is refused where a root was given", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { refused, makeRoot, root, issuer, leaf } = await stage(t)
  const stranger = await makeRoot("stranger", "/CN=stranger")
  await refused(/none of the given roots/, [leaf, issuer, root], {
    roots: [new X509Certificate(stranger)],
  })
})

test("a signature that does not hold is refused, of the leaf and of an issuer with another's name", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { refused, makeIssuer, root, issuer, leaf } = await stage(t)
  const forged = Buffer.from(new X509Certificate(leaf).raw)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  await refused(/was not signed by/, [forged, issuer, root])
  const impostor = await makeIssuer("impostor", "root", "/CN=corporate issuer")
  await refused(/was not signed by/, [leaf, impostor, root])
})

test("an issuer that is no CA is refused", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { refused, root, issuer, leaf } = await stage(t, {
    issuerExtensions: "basicConstraints=critical,CA:false",
  })
  await refused(/not a CA/, [leaf, issuer, root])
})

test("a CA with more below it than it may have is refused", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { refused, root, issuer, leaf } = await stage(t, {
    rootExtensions: "basicConstraints=critical,CA:true,pathlen:0",
  })
  await refused(/may have at most 0 CAs below it, but has 1/, [leaf, issuer, root])
})
