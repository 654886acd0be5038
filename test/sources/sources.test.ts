import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { mkdir, rename, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { suite, test } from "node:test"
import { promisify } from "node:util"
import { isPurserError, PurserError } from "../../src/base/errors.ts"
import { createLog, silentLog } from "../../src/base/log.ts"
import { ageSource } from "../../src/sources/age.ts"
import { createIdentity, encryptAge } from "../../src/sources/age-file.ts"
import { dirSource } from "../../src/sources/dir.ts"
import { envSource } from "../../src/sources/env.ts"
import { fileSource } from "../../src/sources/file.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

const run = promisify(execFile)
const limit = 1024
const { signal } = new AbortController()

suite("file", () => {
  test("gives the bytes as they are, through a link too", async (t) => {
    const directory = await tempDir(t)
    const bytes = Buffer.from([0, 255, 10, 13, 10])
    await writeFile(join(directory, "a"), bytes)
    await symlink("a", join(directory, "b"))
    assert.deepEqual((await fileSource(join(directory, "b"), limit).read("", signal))?.reveal(), bytes)
  })

  test("an absent file is null, as is one below a file", async (t) => {
    const directory = await tempDir(t)
    await writeFile(join(directory, "a"), "")
    assert.equal(await fileSource(join(directory, "none"), limit).read("", signal), null)
    assert.equal(await fileSource(join(directory, "a/b"), limit).read("", signal), null)
  })

  test("refuses what is larger than the limit, and takes what is just as large", async (t) => {
    const directory = await tempDir(t)
    await writeFile(join(directory, "a"), Buffer.alloc(limit))
    await writeFile(join(directory, "b"), Buffer.alloc(limit + 1))
    assert.equal((await fileSource(join(directory, "a"), limit).read("", signal))?.sizeBytes, limit)
    await assert.rejects(
      fileSource(join(directory, "b"), limit).read("", signal),
      code("ERR_SECRET_TOO_LARGE"),
    )
  })

  test("refuses a directory, and a FIFO without waiting for its writer", async (t) => {
    const directory = await tempDir(t)
    await assert.rejects(
      fileSource(directory, limit).read("", signal),
      code("ERR_SOURCE", /not a regular file|EISDIR/),
    )
    if (process.platform === "win32") return
    await run("mkfifo", [join(directory, "fifo")])
    await assert.rejects(
      fileSource(join(directory, "fifo"), limit).read("", signal),
      code("ERR_SOURCE", /regular/),
    )
  })
})

suite("dir", () => {
  async function made(t: Parameters<typeof tempDir>[0]) {
    const root = await tempDir(t)
    const directory = join(root, "secrets")
    await mkdir(join(directory, "sub/deep"), { recursive: true })
    await writeFile(join(directory, "a"), "1")
    await writeFile(join(directory, "sub/deep/b.key"), "2")
    const lines: string[] = []
    const log = createLog({ write: (text: string) => lines.push(text) })
    return { root, directory, lines, log, source: dirSource(directory, limit, log) }
  }

  test("lists files by relative name, and reads them", async (t) => {
    const { source, lines } = await made(t)
    assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
    assert.equal((await source.read("sub/deep/b.key", signal))?.revealText(), "2")
    assert.equal(await source.read("none", signal), null)
    assert.equal(
      await source.read("sub/deep", signal).catch((error: PurserError) => error.code),
      "ERR_SOURCE",
    )
    assert.deepEqual(lines, [])
  })

  test("leaves out names that are none, with one warning each", async (t) => {
    const { source, directory, lines } = await made(t)
    await writeFile(join(directory, ".hidden"), "x")
    await mkdir(join(directory, ".git"))
    await writeFile(join(directory, ".git/config"), "x")
    await writeFile(join(directory, "a name\u001b[2J"), "x")
    assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
    assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
    assert.equal(lines.length, 3)
    assert.ok(
      lines.every((line) => line.includes("is left out") && !line.includes("\u001b")),
      lines.join(""),
    )
  })

  test("says nothing of a file that another entry names", async (t) => {
    const { directory, lines, log } = await made(t)
    await writeFile(join(directory, ".env"), "x")
    await writeFile(join(directory, ".other"), "x")
    const source = dirSource(directory, limit, log, new Set([join(directory, ".env")]))
    assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
    assert.equal(lines.length, 1)
    assert.match(lines[0] ?? "", /"\.other"/)
  })

  test("follows links inside the directory, and none that lead out of it", async (t) => {
    const { source, directory, root, lines } = await made(t)
    await writeFile(join(root, "outside"), "3")
    await symlink("../outside", join(directory, "out"))
    await symlink("..", join(directory, "up"))
    await symlink("sub/deep/b.key", join(directory, "in"))
    assert.deepEqual(await source.list?.(signal), ["a", "in", "sub/deep/b.key"])
    assert.equal((await source.read("in", signal))?.revealText(), "2")
    assert.equal(await source.read("out", signal), null)
    assert.equal(await source.read("up/outside", signal), null)
    assert.ok(
      lines.some((line) => /"out".*leads out/.test(line)),
      lines.join(""),
    )
  })

  test("a circle of links ends", async (t) => {
    const { source, directory } = await made(t)
    await symlink(".", join(directory, "sub/again"))
    await symlink("loop", join(directory, "loop"))
    assert.deepEqual(await source.list?.(signal), ["a", "sub/deep/b.key"])
  })

  test("a directory that is not there is an error, not an empty list", async (t) => {
    const source = dirSource(join(await tempDir(t), "none"), limit, silentLog)
    await assert.rejects(source.list?.(signal) ?? Promise.resolve(), code("ERR_SOURCE", /ENOENT/))
  })

  test("tells of files that appear, change in place, are replaced by a rename, and go", async (t) => {
    const { source, directory } = await made(t)
    const seen = new Set<string | undefined>()
    let wake = Promise.withResolvers<void>()
    const watcher = await source.watch?.((name) => {
      seen.add(name)
      wake.resolve()
    })
    const until = async (name: string): Promise<void> => {
      while (!seen.has(name)) {
        await wake.promise
        wake = Promise.withResolvers()
      }
      seen.delete(name)
    }
    await writeFile(join(directory, "new"), "1")
    await until("new")
    await writeFile(join(directory, "a"), "changed")
    await until("a")
    await writeFile(join(directory, "temporary"), "renamed")
    await rename(join(directory, "temporary"), join(directory, "sub/deep/b.key"))
    await until("sub/deep/b.key")
    await rename(join(directory, "new"), join(directory, "newer"))
    await until("newer")
    await watcher?.[Symbol.asyncDispose]()
  })
})

suite("env", () => {
  test("gives a variable, and takes an empty one for absent", async () => {
    const env = { KEY: "välue", EMPTY: "" }
    assert.equal((await envSource("KEY", env, limit).read("", signal))?.revealText(), "välue")
    assert.equal(await envSource("EMPTY", env, limit).read("", signal), null)
    assert.equal(await envSource("NONE", env, limit).read("", signal), null)
    await assert.rejects(envSource("KEY", env, 5).read("", signal), code("ERR_SECRET_TOO_LARGE"))
  })
})

suite("age", () => {
  async function made(t: Parameters<typeof tempDir>[0]) {
    const directory = await tempDir(t)
    const [file, identityFile] = [join(directory, "app.json.age"), join(directory, "key.txt")]
    const { identity, recipient } = await createIdentity()
    await writeFile(identityFile, `# created by a test\n\n${identity}\n`)
    return { directory, file, identityFile, recipient, source: ageSource(file, identityFile, limit) }
  }

  test("decrypts what the age program wrote, binary and armored", async (t) => {
    if (!(await requireService(t, "age"))) return
    const { directory, file, recipient, source } = await made(t)
    await writeFile(join(directory, "plain"), "geheim\n")
    await run("age", ["-r", recipient, "-o", file, join(directory, "plain")])
    assert.equal((await source.read("", signal))?.revealText(), "geheim\n")
    await run("age", ["-a", "-r", recipient, "-o", file, join(directory, "plain")])
    assert.equal((await source.read("", signal))?.revealText(), "geheim\n")
  })

  test("an absent file is null; a damaged one, another's and a wrong identity file are errors", async (t) => {
    const { file, identityFile, recipient, source } = await made(t)
    assert.equal(await source.read("", signal), null)
    const sealed = await encryptAge(Buffer.from("geheim"), [recipient])
    await writeFile(file, sealed.fill(0, sealed.length - 4))
    await assert.rejects(source.read("", signal), code("ERR_SOURCE", /cannot be decrypted/))
    await writeFile(file, await encryptAge(Buffer.from("geheim"), [(await createIdentity()).recipient]))
    await assert.rejects(source.read("", signal), code("ERR_SOURCE", /cannot be decrypted/))
    await writeFile(file, "just text")
    await assert.rejects(source.read("", signal), code("ERR_SOURCE", /not an age file/))
    await writeFile(identityFile, "-----BEGIN OPENSSH PRIVATE KEY-----\n")
    await assert.rejects(source.read("", signal), code("ERR_SOURCE", /not an age identity file/))
  })

  test("refuses plaintext over the limit", async (t) => {
    const { file, recipient, source } = await made(t)
    await writeFile(file, await encryptAge(Buffer.alloc(limit + 1), [recipient]))
    await assert.rejects(source.read("", signal), code("ERR_SECRET_TOO_LARGE"))
  })
})

function code(expected: PurserError["code"], message = /./) {
  return (error: unknown): boolean => {
    assert.ok(isPurserError(error, expected), String(error))
    assert.match(error.message, message)
    return true
  }
}
