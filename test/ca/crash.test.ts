import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { once } from "node:events"
import { readdir } from "node:fs/promises"
import { join, resolve } from "node:path"
import { text } from "node:stream/consumers"
import { test } from "node:test"
import { temporaryPattern } from "../../src/base/atomic-file.ts"
import { isPurserError } from "../../src/base/errors.ts"
import { requireService } from "../support/services.ts"
import { emptyCa, hasItsKey, issued, madeCa, opensslVerify, signal } from "./state.ts"

/** Processes that change the CA are killed at each step, for real, or run at the same time. */

const fixture = resolve(import.meta.dirname, "../fixtures/ca.ts")

/** Its output. Fails unless it ended as `expected`: by a signal, or well. */
async function child(expected: "SIGKILL" | null, ...args: string[]): Promise<string> {
  const process_ = spawn(process.execPath, [fixture, ...args], { stdio: ["ignore", "pipe", "inherit"] })
  const [output, [code, ended]] = await Promise.all([
    text(process_.stdout),
    once(process_, "close") as Promise<[number | null, string | null]>,
  ])
  assert.equal(ended, expected, `ended with exit code ${code}`)
  if (expected === null) assert.equal(code, 0)
  return output.trim()
}

async function temporaries(directory: string): Promise<string[]> {
  const all = await readdir(directory, { recursive: true })
  return all.filter((path) => temporaryPattern.test(path.replace(/^.*\//, "")) || path.startsWith("pending"))
}

for (const [step, counts] of [
  ["key", false],
  ["record", true],
  ["index", true],
] as const) {
  test(`killed at "${step}" of issuing: ${counts ? "it is issued" : "nothing is"}, listed so, and issuing goes on`, async (t) => {
    const { ca, open, stateDir } = await madeCa(t)
    const before = await issued(ca, "before")
    await child("SIGKILL", stateDir, "issue", "torn", step)
    await using fresh = open()
    for (const one of [ca, fresh]) {
      const names = (await one.list({ all: true })).map(({ name }) => name)
      assert.deepEqual(names, counts ? ["before", "torn"] : ["before"])
    }
    const torn = await ca.find("torn")
    assert.equal(torn !== null, counts)
    if (torn !== null) assert.ok(await hasItsKey(ca, torn))
    await issued(ca, "torn")
    const after = await fresh.list({ all: true })
    assert.equal(after.length, counts ? 3 : 2)
    assert.deepEqual(await fresh.find("before"), before)
    assert.equal(await ca.reindex(signal), after.length)
    assert.deepEqual(await fresh.list({ all: true }), after)
  })
}

for (const [step, counts] of [
  ["staged", false],
  ["pending", true],
  ["moved intermediate.crt", true],
  ["moved intermediate.key", true],
  ["moved root.crt", true],
  ["moved root.key", true],
] as const) {
  test(`killed at "${step}" of init: ${counts ? "there is a whole CA" : "there is none, and init works"}`, async (t) => {
    const { ca, stateDir, directory } = await emptyCa(t)
    await child("SIGKILL", stateDir, "init", "", step)
    assert.equal(await ca.exists(), counts)
    if (counts) await assert.rejects(ca.init(signal), { code: "ERR_CA" })
    else await ca.init(signal)
    const record = await issued(ca, "www")
    if (await requireService(t, "openssl"))
      assert.equal(await opensslVerify(t, record, await ca.root()), "leaf: OK")
    await ca.renewIntermediate(signal)
    assert.deepEqual(await temporaries(directory), [])
  })
}

for (const [step, counts] of [
  ["staged", false],
  ["pending", true],
  ["moved intermediate.crt", true],
  ["moved intermediate.key", true],
] as const) {
  test(`killed at "${step}" of a new intermediate: the ${counts ? "new" : "old"} one signs, with its own key`, async (t) => {
    const { ca, open, stateDir } = await madeCa(t)
    const [old] = (await issued(ca, "old")).chain
    await child("SIGKILL", stateDir, "renew-intermediate", "", step)
    await using fresh = open()
    for (const one of [ca, fresh]) {
      const record = await issued(one, "www")
      assert.equal(record.chain[0] === old, !counts)
      const issuer = new X509Certificate(record.chain[0] ?? "")
      assert.ok(new X509Certificate(record.certificate).verify(issuer.publicKey))
    }
    assert.equal((await ca.bundle()).match(/BEGIN/g)?.length, counts ? 3 : 2)
  })
}

test("killed between a revocation and the index, it is revoked", async (t) => {
  const { ca, stateDir } = await madeCa(t)
  await issued(ca, "www")
  await child("SIGKILL", stateDir, "revoke", "www", "revocation")
  assert.equal((await ca.list({ all: false }))[0]?.state, "revoked")
  await assert.rejects(ca.revoke("www", "superseded", signal), { code: "ERR_REVOKED" })
})

test("two processes that issue at once both do, with serials of their own", async (t) => {
  const { ca, stateDir, directory } = await madeCa(t)
  const names = ["a", "a", "b"]
  const serials = await Promise.all(names.map((name) => child(null, stateDir, "issue", name)))
  assert.equal(new Set(serials).size, 3)
  const listed = await ca.list({ all: true })
  assert.deepEqual(
    listed.map(({ name, state }) => `${name} ${state}`),
    ["a valid", "a replaced", "b valid"],
  )
  assert.deepEqual(new Set(listed.map(({ serial }) => serial)), new Set(serials))
  assert.equal((await readdir(join(directory, "issued"))).length, 3)
  assert.deepEqual(await temporaries(directory), [])
})

test("of two processes that make a CA at once, one does and the other is told", async (t) => {
  const { ca, open } = await emptyCa(t)
  await using other = open()
  const results = await Promise.allSettled([ca.init(signal), other.init(signal)])
  const failed = results.filter((result) => result.status === "rejected")
  assert.equal(failed.length, 1)
  assert.ok(isPurserError(failed[0]?.reason, "ERR_CA"))
  for (const one of [ca, other]) assert.ok(await hasItsKey(one, await issued(one, "www")))
})
