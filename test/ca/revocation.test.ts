import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { issued, madeCa, opensslVerify, run, signal } from "./state.ts"

/** The number, and the serials in it, as openssl reads them. */
async function readCrl(t: TestContext, der: Buffer): Promise<{ number: bigint; text: string; pem: string }> {
  const file = join(await tempDir(t), "crl")
  await writeFile(file, der)
  const { stdout: text } = await run("openssl", ["crl", "-inform", "DER", "-in", file, "-noout", "-text"])
  const { stdout: pem } = await run("openssl", ["crl", "-inform", "DER", "-in", file])
  const number = /X509v3 CRL Number:\s*(?:critical)?\s*(0x[0-9A-F]+|\d+)/i.exec(text)?.[1]
  assert.ok(number !== undefined, text)
  return { number: BigInt(number), text, pem }
}

test("by name the newest is revoked, once; an older one goes by its serial number", async (t) => {
  const { ca } = await madeCa(t)
  const [first, second] = [await issued(ca, "www"), await issued(ca, "www")]
  assert.deepEqual(await ca.revoke("www", "keyCompromise", signal), second)
  // The older one was replaced: it does not come back.
  assert.equal(await ca.find("www"), null)
  assert.equal((await ca.list({ all: false }))[0]?.state, "revoked")
  await assert.rejects(ca.revoke("www", "superseded", signal), { code: "ERR_REVOKED" })
  assert.deepEqual(await ca.revoke(first.serial, "superseded", signal), first)
  await assert.rejects(ca.revoke("www", "superseded", signal), { code: "ERR_REVOKED" })
  const third = await issued(ca, "www")
  assert.deepEqual(await ca.find("www"), third)
})

test("by serial exactly that one is revoked, and once", async (t) => {
  const { ca } = await madeCa(t)
  const [first, second] = [await issued(ca, "www"), await issued(ca, "www")]
  assert.deepEqual(await ca.revoke(first.serial, "superseded", signal), first)
  await assert.rejects(ca.revoke(first.serial, "superseded", signal), { code: "ERR_REVOKED" })
  assert.deepEqual(await ca.find("www"), second)
})

test("an unknown name, and an unknown reason, are told", async (t) => {
  const { ca } = await madeCa(t)
  await issued(ca, "www")
  await assert.rejects(ca.revoke("other", "superseded", signal), { code: "ERR_CA", message: /"other"/ })
  await assert.rejects(ca.revoke("f".repeat(32), "superseded", signal), { code: "ERR_CA" })
  await assert.rejects(ca.revoke("www", "bored", signal), { code: "ERR_USAGE", hint: /keyCompromise/ })
  assert.equal((await ca.list({ all: false }))[0]?.state, "valid")
})

test("openssl refuses what the list names and nothing else, whichever intermediate issued", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca } = await madeCa(t)
  const [old, oldGone] = [await issued(ca, "old"), await issued(ca, "old-gone")]
  await ca.renewIntermediate(signal)
  const [fresh, gone] = [await issued(ca, "new"), await issued(ca, "gone")]
  for (const name of ["gone", "old-gone"]) await ca.revoke(name, "keyCompromise", signal)
  const lists = await Promise.all((await ca.crls(signal)).map((der) => readCrl(t, der)))
  assert.equal(lists.length, 3, "the root's too")
  assert.match(lists[0]?.text ?? "", new RegExp(gone.serial.replace(/^0+/, ""), "i"))
  assert.match(lists[1]?.text ?? "", new RegExp(oldGone.serial.replace(/^0+/, ""), "i"))
  const file = join(await tempDir(t), "crls.pem")
  await writeFile(file, lists.map(({ pem }) => pem).join(""))
  for (const record of [old, fresh]) {
    for (const check of ["-crl_check", "-crl_check_all"]) {
      const said = await opensslVerify(t, record, await ca.root(), check, "-CRLfile", file)
      assert.equal(said, "leaf: OK")
    }
  }
  for (const record of [oldGone, gone]) {
    const said = await opensslVerify(t, record, await ca.root(), "-crl_check", "-CRLfile", file)
    assert.match(said, /certificate revoked/)
  }
})

test("a list's number grows with each, within a second, with a clock put back, and after reindex", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  let now = new Date()
  const { ca, open } = await madeCa(t, { now: () => now })
  now = new Date(now.getTime() + 60_000)
  const number = async (one = ca): Promise<bigint> => (await readCrl(t, await one.crl(signal))).number
  const numbers = [await number(), await number()]
  await using other = open()
  numbers.push(await number(other))
  now = new Date(now.getTime() - 30_000)
  numbers.push(await number())
  await ca.reindex(signal)
  numbers.push(await number(), await number(other))
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => Number(a - b)),
  )
  assert.equal(new Set(numbers).size, numbers.length)
})

test("the root takes back a stolen intermediate: the lists say so, for good, and the bundle lacks it", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { ca } = await madeCa(t)
  const stolen = await issued(ca, "stolen")
  await ca.renewIntermediate(signal, { revoke: true })
  const safe = await issued(ca, "safe")
  await ca.renewIntermediate(signal)
  const file = join(await tempDir(t), "crls.pem")
  const lists = await Promise.all((await ca.crls(signal)).map((der) => readCrl(t, der)))
  await writeFile(file, lists.map(({ pem }) => pem).join(""))
  const verify = async (record: typeof safe): Promise<string> =>
    await opensslVerify(t, record, await ca.root(), "-crl_check_all", "-CRLfile", file)
  assert.equal(await verify(safe), "leaf: OK")
  assert.match(await verify(stolen), /certificate revoked/)
  const bundle = await ca.bundle()
  assert.ok(bundle.includes(safe.chain[0] ?? "-"))
  assert.ok(!bundle.includes(stolen.chain[0] ?? "-"))
})
