import assert from "node:assert/strict"
import { test } from "node:test"
import { resolveOwner } from "../../src/files/owner.ts"
import { requireService } from "../support/services.ts"
import { purserError } from "./support.ts"

test("numbers that nobody has here stand for themselves, the group too", async () => {
  assert.deepEqual(await resolveOwner("54321"), { uid: 54_321, gid: 54_321 })
  assert.deepEqual(await resolveOwner("54321:0"), { uid: 54_321, gid: 0 })
})

test("a user's name, or number, brings the user's own group", async (t) => {
  if (!(await requireService(t, "linux"))) return
  assert.deepEqual(await resolveOwner("root"), { uid: 0, gid: 0 })
  assert.deepEqual(await resolveOwner("0"), { uid: 0, gid: 0 })
  assert.deepEqual(await resolveOwner("54321:root"), { uid: 54_321, gid: 0 })
})

test("a name that is not there is refused and told", async () => {
  await assert.rejects(
    resolveOwner("nobody-of-this-name"),
    purserError("ERR_TARGET", /no user "nobody-of-this-name"/),
  )
  await assert.rejects(resolveOwner("0:no-such-group"), purserError("ERR_TARGET", /no group "no-such-group"/))
})
