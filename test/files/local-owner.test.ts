import assert from "node:assert/strict"
import { test } from "node:test"
import { resolveLocalOwner } from "../../src/files/local-owner.ts"
import { requireService } from "../support/services.ts"
import { purserError } from "./support.ts"

test("unlisted numbers are ids, for the user and the group", async () => {
  assert.deepEqual(await resolveLocalOwner("54321"), { uid: 54_321, gid: 54_321 })
  assert.deepEqual(await resolveLocalOwner("54321:0"), { uid: 54_321, gid: 0 })
})

test("a user's name or number implies the user's own group", async (t) => {
  if (!(await requireService(t, "linux"))) return
  assert.deepEqual(await resolveLocalOwner("root"), { uid: 0, gid: 0 })
  assert.deepEqual(await resolveLocalOwner("0"), { uid: 0, gid: 0 })
  assert.deepEqual(await resolveLocalOwner("54321:root"), { uid: 54_321, gid: 0 })
})

test("an unknown name is refused by name", async () => {
  await assert.rejects(
    resolveLocalOwner("nobody-of-this-name"),
    purserError("ERR_TARGET", /no user "nobody-of-this-name"/),
  )
  await assert.rejects(
    resolveLocalOwner("0:no-such-group"),
    purserError("ERR_TARGET", /no group "no-such-group"/),
  )
})
