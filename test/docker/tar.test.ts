import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import fc from "fast-check"
import { readTar, writeTar } from "../../src/docker/tar.ts"
import { tempDir } from "../support/temp.ts"

const numRuns = process.env["SLOW"] === undefined ? 150 : 10_000

const part = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".." && text.isWellFormed())
const file = fc.record({
  name: fc
    .array(part, { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join("/"))
    .filter((name) => Buffer.byteLength(name) <= 100),
  content: fc.uint8Array({ maxLength: 1500 }),
  mode: fc.nat({ max: 0o777 }),
  uid: fc.nat({ max: 0o7777777 }),
  gid: fc.nat({ max: 0o7777777 }),
})

test("a written tar is read back unchanged", () => {
  fc.assert(
    fc.property(fc.array(file, { maxLength: 4 }), (files) => {
      const found = readTar(writeTar(files))
      assert.deepEqual(
        found.map(({ name, type, content, mode, uid, gid }) => ({ name, type, content, mode, uid, gid })),
        files.map((each) => ({ ...each, type: "file", content: Buffer.from(each.content) })),
      )
    }),
    { numRuns },
  )
})

test("the system's tar reads what we write, also a name of 200 bytes", () => {
  const name = `${"d".repeat(110)}/${"n".repeat(89)}`
  const tar = writeTar([
    { name: "a", content: Buffer.alloc(700, "x"), mode: 0o440, uid: 999, gid: 1000 },
    { name, content: Buffer.from("y"), mode: 0o600, uid: 0, gid: 0 },
  ])
  const { stdout } = spawnSync("tar", ["-tv", "--numeric-owner"], { input: tar, encoding: "utf8" })
  assert.match(stdout, /^-r--r----- 999\/1000 +700 .* a\n-rw------- 0\/0 +1 .* d+\/n+\n$/)
})

for (const format of ["ustar", "gnu", "pax"]) {
  test(`reads the system's tar in the ${format} format: files, directories, links and long names`, async (t) => {
    const dir = await tempDir(t)
    const long = format === "ustar" ? "short" : "long-".repeat(40)
    await mkdir(join(dir, "sub"))
    await writeFile(join(dir, "sub", long), "content\n", { mode: 0o640 })
    await symlink(format === "ustar" ? "target" : "t".repeat(150), join(dir, "sub", "way"))
    const args = ["-c", `--format=${format}`, "--sort=name", "--owner=5", "--group=6", "-C", dir, "sub"]
    const { stdout } = spawnSync("tar", args, { maxBuffer: 1e7 })
    assert.deepEqual(
      readTar(stdout).map(({ name, type, content, uid, linkName }) => [
        name,
        type,
        String(content),
        uid,
        linkName,
      ]),
      [
        ["sub/", "directory", "", 5, ""],
        [`sub/${long}`, "file", "content\n", 5, ""],
        ["sub/way", "link", "", 5, format === "ustar" ? "target" : "t".repeat(150)],
      ],
    )
  })
}

test("refuses a tar that is cut anywhere or has a byte changed in a header", () => {
  const tar = writeTar([{ name: "a", content: Buffer.alloc(600, "x"), mode: 0o400, uid: 0, gid: 0 }])
  fc.assert(
    fc.property(fc.nat({ max: 512 + 1024 + 511 }), (length) => {
      assert.throws(() => readTar(tar.subarray(0, length)), { code: "ERR_DOCKER" })
    }),
    { numRuns },
  )
  fc.assert(
    fc.property(fc.nat({ max: 511 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(tar)
      changed[at] = (changed[at] ?? 0) ^ change
      try {
        // Some bytes of the checksum field are not read.
        assert.deepEqual(readTar(changed), readTar(tar))
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, "ERR_DOCKER")
      }
    }),
    { numRuns },
  )
})

test("any bytes are parsed or refused with ERR_DOCKER", () => {
  const header = writeTar([{ name: "a", content: Buffer.alloc(0), mode: 0, uid: 0, gid: 0 }]).subarray(0, 512)
  fc.assert(
    fc.property(
      fc.constantFrom("0", "5", "x", "L", "g"),
      fc.uint8Array({ maxLength: 600 }),
      (flag, bytes) => {
        const block = Buffer.from(header)
        block.write(bytes.byteLength.toString(8).padStart(11, "0"), 124)
        block.write(flag, 156)
        block.fill(" ", 148, 156)
        block.write(
          block
            .reduce((sum, byte) => sum + byte, 0)
            .toString(8)
            .padStart(6, "0"),
          148,
        )
        try {
          readTar(Buffer.concat([block, bytes, Buffer.alloc(2048)]))
        } catch (error) {
          assert.equal((error as { code?: unknown }).code, "ERR_DOCKER")
        }
      },
    ),
    { numRuns },
  )
})

test("a name that leaves the directory or does not fit is a TypeError", () => {
  for (const name of ["", "/a", "a/", "../a", "a/../b", "./a", "a\0b", "n".repeat(101), "é".repeat(51)]) {
    const write = () => writeTar([{ name, content: Buffer.alloc(0), mode: 0o400, uid: 0, gid: 0 }])
    assert.throws(write, TypeError, JSON.stringify(name))
  }
})
