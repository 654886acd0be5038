import assert from "node:assert/strict"
import { test } from "node:test"
import { resolveContainerUser, resolveFileOwner } from "../../src/copy/container-user.ts"
import type { ReadNames } from "../../src/files/owner.ts"
import { purserError } from "../files/support.ts"

const files = {
  "/etc/passwd": "root:x:0:0::/:/bin/sh\nweb:x:1000:1001::/:/bin/sh\nodd:x:no:1\n\nshort\n",
  "/etc/group": "root:x:0:\nweb:x:1001:\nstaff:x:50:web\n",
}
const read: ReadNames = async (path) => files[path]
const nothing: ReadNames = async () => null

test("the container's user is read as the engine reads it", async () => {
  for (const [user, uid, gid] of [
    ["", 0, 0],
    ["root", 0, 0],
    ["0", 0, 0],
    ["web", 1000, 1001],
    ["1000", 1000, 1001],
    ["4711", 4711, 0],
    ["4711:4712", 4711, 4712],
    ["web:staff", 1000, 50],
    ["web:7", 1000, 7],
    [":staff", 0, 50],
  ] as const)
    assert.deepEqual(await resolveContainerUser(user, read), { uid, gid }, user)
  for (const user of ["nobody", "web:nobody", "odd", "short"])
    assert.equal(await resolveContainerUser(user, read), null, user)
  assert.deepEqual(await resolveContainerUser("4711", nothing), { uid: 4711, gid: 0 })
  assert.equal(await resolveContainerUser("web", nothing), null)
})

test("a file line's owner is resolved in the container, and a number without an entry is its own group", async () => {
  assert.deepEqual(await resolveFileOwner("web", read), { uid: 1000, gid: 1001 })
  assert.deepEqual(await resolveFileOwner("4711", read), { uid: 4711, gid: 4711 })
  assert.deepEqual(await resolveFileOwner("4711:staff", read), { uid: 4711, gid: 50 })
  await assert.rejects(
    resolveFileOwner("nobody", read),
    purserError("ERR_TARGET", /there is no user "nobody" in the container/),
  )
  await assert.rejects(resolveFileOwner("web:nobody", read), purserError("ERR_TARGET", /no group "nobody"/))
})
