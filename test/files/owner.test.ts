import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { PurserError } from "../../src/base/errors.ts"
import { resolveOwner, type OwnerRules, type ReadNames } from "../../src/files/owner.ts"

const rules: OwnerRules = {
  groupOfUnlisted: () => 0,
  unknown: (kind, name) => new PurserError("ERR_TARGET", `no ${kind} ${name}`),
}

function names(passwd: string | null, group: string | null, read: string[] = []): ReadNames {
  return async (path) => {
    read.push(path)
    return path === "/etc/passwd" ? passwd : group
  }
}

const passwd = `root:x:0:0::/:/bin/sh
web:x:1000:1001::/:/bin/sh
77:x:2000:2001::/:/bin/sh
twice:x:3000:3001::/:/bin/sh
twice:x:4000:4001::/:/bin/sh
odd:x:no:1
groupless:x:5000:no

short
  spaced:x:6000:6001::/:/bin/sh \t
`
const group = "root:x:0:\nstaff:x:50:web\n88:x:2088:\nodd:x:no:\n"

test("the default group is that of the user's line, or of the rules for an unlisted number", async () => {
  const cases: [owner: string, uid: number, gid: number][] = [
    ["", 0, 0],
    ["root", 0, 0],
    ["0", 0, 0],
    ["web", 1000, 1001],
    ["1000", 1000, 1001],
    ["01000", 1000, 1001],
    ["web:", 1000, 1001],
    ["4711", 4711, 0],
    ["4711:4712", 4711, 4712],
    ["web:staff", 1000, 50],
    ["web:7", 1000, 7],
    [":staff", 0, 50],
    ["77", 77, 0],
    ["77:88", 77, 88],
    ["twice", 3000, 3001],
    ["groupless", 5000, 0],
    ["spaced", 6000, 6001],
    ["4294967294", 4294967294, 0],
  ]
  for (const [owner, uid, gid] of cases)
    assert.deepEqual(await resolveOwner(owner, names(passwd, group), rules), { uid, gid }, owner)
  const same = { ...rules, groupOfUnlisted: (uid: number) => uid }
  assert.deepEqual(await resolveOwner("4711", names(passwd, group), same), { uid: 4711, gid: 4711 })
  assert.deepEqual(await resolveOwner("4711", names(null, null), same), { uid: 4711, gid: 4711 })
})

test("an unknown name, or one with an invalid id, throws the rules' error", async () => {
  for (const [owner, message] of [
    ["nobody", "no user nobody"],
    ["odd", "no user odd"],
    ["short", "no user short"],
    ["x", "no user x"],
    ["4294967295", "no user 4294967295"],
    ["-1", "no user -1"],
    ["web:nobody", "no group nobody"],
    ["web:odd", "no group odd"],
    ["1:4294967295", "no group 4294967295"],
  ] as const)
    await assert.rejects(resolveOwner(owner, names(passwd, group), rules), { code: "ERR_TARGET", message })
  await assert.rejects(resolveOwner("root", names(null, null), rules), { message: "no user root" })
})

test("files are read only when they are needed", async () => {
  const cases: [owner: string, reads: string[]][] = [
    ["", []],
    ["1:2", []],
    [":2", []],
    ["1", ["/etc/passwd"]],
    ["1:staff", ["/etc/group"]],
    ["web:2", ["/etc/passwd"]],
    ["web:staff", ["/etc/passwd", "/etc/group"]],
  ]
  for (const [owner, reads] of cases) {
    const read: string[] = []
    await resolveOwner(owner, names(passwd, group, read), rules)
    assert.deepEqual(read, reads, owner)
  }
})

const id = fc.nat({ max: 0xffff_fffe })
const name = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,8}$/)

test("every user and group of a file is found, by name and by number", async () => {
  const users = fc.uniqueArray(fc.record({ name, uid: id, gid: id }), {
    minLength: 1,
    maxLength: 6,
    selector: (user) => user.name,
  })
  const groups = fc.uniqueArray(fc.record({ name, gid: id }), {
    minLength: 1,
    maxLength: 6,
    selector: (one) => one.name,
  })
  await fc.assert(
    fc.asyncProperty(users, groups, async (all, others) => {
      const read = names(
        all.map(({ name, uid, gid }) => `${name}:x:${uid}:${gid}:${name}:/:/bin/sh\n`).join(""),
        others.map(({ name, gid }) => `${name}:x:${gid}:${name}\n`).join(""),
      )
      const resolved = (owner: string): Promise<unknown> => resolveOwner(owner, read, rules)
      for (const { name, uid, gid } of all) {
        assert.deepEqual(await resolved(name), { uid, gid })
        const first = all.find((user) => user.uid === uid)
        assert.deepEqual(await resolved(String(uid)), { uid, gid: first?.gid })
        for (const other of others) {
          assert.deepEqual(await resolved(`${name}:${other.name}`), { uid, gid: other.gid })
          assert.deepEqual(await resolved(`${uid}:${other.gid}`), { uid, gid: other.gid })
        }
      }
    }),
  )
})

test("for any text in these files, the result is two valid ids or the rules' error", async () => {
  const line = fc.oneof(
    fc.string(),
    fc
      .array(fc.oneof(fc.string(), fc.constant("web"), fc.nat().map(String)), { maxLength: 8 })
      .map((fields) => fields.join(":")),
    fc.bigInt().map((number) => `web:x:${number}:${number}`),
    fc.integer({ min: 0xffff_fff0, max: 9_999_999_999 }).map((number) => `web:x:${number}:${number}`),
  )
  const text = fc.array(line, { maxLength: 5 }).map((lines) => lines.join("\n"))
  const owner = fc.oneof(fc.string(), fc.constantFrom("web", "web:web", "4294967295", "1:web", ":"))
  await fc.assert(
    fc.asyncProperty(owner, text, text, async (asked, users, groups) => {
      try {
        const { uid, gid } = await resolveOwner(asked, names(users, groups), rules)
        for (const one of [uid, gid]) assert.ok(Number.isInteger(one) && one >= 0 && one < 0xffff_ffff)
      } catch (error) {
        assert.ok(error instanceof PurserError, String(error))
      }
    }),
  )
})
