import assert from "node:assert/strict"
import { chmod, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import {
  agentIdentity,
  agentPins,
  nextIdentity,
  prepareNextIdentity,
  promoteNextIdentity,
} from "../../src/state/identity-files.ts"
import { tempDir } from "../support/temp.ts"

test("the agent's identity is created once", async (t) => {
  const dir = await tempDir(t)
  const [one, two] = await Promise.all([agentIdentity(dir), agentIdentity(dir)])
  assert.equal(one.pin, two.pin)
  assert.equal((await agentIdentity(dir)).pin, one.pin)
  assert.deepEqual(await agentPins(dir), [one.pin])
  assert.equal(await nextIdentity(dir), undefined)
})

test("a next identity exists beside the present one until it replaces it", async (t) => {
  const dir = await tempDir(t)
  const present = await agentIdentity(dir)
  const next = await prepareNextIdentity(dir)
  assert.equal((await prepareNextIdentity(dir)).pin, next.pin)
  assert.deepEqual(await agentPins(dir), [present.pin, next.pin])
  assert.equal((await agentIdentity(dir)).pin, present.pin)
  assert.equal((await promoteNextIdentity(dir)).pin, next.pin)
  assert.deepEqual(await agentPins(dir), [next.pin])
  await assert.rejects(promoteNextIdentity(dir), {
    code: "ERR_IDENTITY",
    message: "no next identity was prepared",
  })
  assert.equal((await agentIdentity(dir)).keyPem.trim(), next.keyPem.trim())
  if (process.platform !== "win32") assert.equal((await stat(join(dir, "identity.pem"))).mode & 0o777, 0o600)
})

test("a damaged next identity is an error, and does not replace the present one", async (t) => {
  const dir = await tempDir(t)
  const { pin } = await agentIdentity(dir)
  await writeFile(join(dir, "identity-next.pem"), "no key", { mode: 0o600 })
  for (const attempt of [nextIdentity, agentPins, promoteNextIdentity, prepareNextIdentity])
    await assert.rejects(attempt(dir), { code: "ERR_IDENTITY" })
  assert.equal((await agentIdentity(dir)).pin, pin)
})

test("an identity that others can read is refused", { skip: process.platform === "win32" }, async (t) => {
  const dir = await tempDir(t)
  await agentIdentity(dir)
  await chmod(join(dir, "identity.pem"), 0o644)
  await assert.rejects(agentIdentity(dir), { code: "ERR_IDENTITY" })
})
