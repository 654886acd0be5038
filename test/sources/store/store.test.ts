import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { promisify } from "node:util"
import { isPurserError, type ErrorCode } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import { Secret } from "../../../src/base/secret.ts"
import { createAgeIdentity } from "../../../src/sources/age-file.ts"
import type { StoreConfig } from "../../../src/sources/store/config.ts"
import { SecretStore } from "../../../src/sources/store/store.ts"
import { requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"

const run = promisify(execFile)
const { signal } = new AbortController()
const plain: StoreConfig = { passphraseFile: undefined, recipients: undefined, identityFile: undefined }

async function made(t: TestContext, config: Partial<StoreConfig> = {}) {
  const stateDir = join(await tempDir(t), "state")
  const open = (more: Partial<StoreConfig> = config): SecretStore =>
    new SecretStore({ stateDir, config: { ...plain, ...more }, maxBytes: 1024 * 1024 })
  return { stateDir, open, store: open() }
}

const text = async (store: SecretStore, name: string): Promise<string | undefined> =>
  (await store.read(name))?.revealText()

test("returns a secret that was set, also from another process", async (t) => {
  const { store, open } = await made(t)
  const bytes = Buffer.from([0, 255, 10])
  await store.set("quotes/a.b", new Secret(bytes), signal)
  assert.deepEqual((await open().read("quotes/a.b"))?.reveal(), bytes)
  assert.equal(await store.read("quotes"), null)
  assert.equal(await store.read("none"), null)
})

test("keeps nothing in plaintext, and nothing that other users can read", async (t) => {
  const { store, stateDir } = await made(t)
  await store.set("a", new Secret("correct-horse"), signal)
  await store.set("a", new Secret("correct-horse-2"), signal)
  for (const entry of await readdir(stateDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) assert.ok(!(await readFile(path)).includes("correct-horse"), path)
    if (process.platform !== "win32" && !entry.name.startsWith("store.lock")) {
      assert.equal((await stat(path)).mode & 0o077, 0, path)
    }
  }
})

test("the age program reads the files with store.key", async (t) => {
  if (!(await requireService(t, "age"))) return
  const { store, stateDir } = await made(t)
  await store.set("db-password", new Secret("geheim"), signal)
  const { stdout } = await run("age", [
    "-d",
    "-i",
    join(stateDir, "store.key"),
    join(stateDir, "secrets/db-password.age"),
  ])
  assert.equal(stdout, "geheim")
})

test("reads a file that the age program put there", async (t) => {
  if (!(await requireService(t, "age"))) return
  const { store, stateDir } = await made(t)
  await store.set("a", new Secret("x"), signal)
  await writeFile(join(stateDir, "plain"), "geheim")
  const recipient = /age1\w+/.exec(await readFile(join(stateDir, "store.key"), "utf8"))?.[0] ?? ""
  await run("age", ["-r", recipient, "-o", join(stateDir, "secrets/b.age"), join(stateDir, "plain")])
  assert.equal(await text(store, "b"), "geheim")
})

test("lists names, sizes and times, for every size around a chunk of the format", async (t) => {
  const { store } = await made(t)
  const sizes = [0, 1, 65_535, 65_536, 65_537, 131_072]
  for (const size of sizes) await store.set(`s${size}`, new Secret(Buffer.alloc(size)), signal)
  const listed = await store.list()
  assert.deepEqual(
    listed.map(({ name, sizeBytes }) => [name, sizeBytes]),
    sizes.map((size) => [`s${size}`, size]).toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  )
  assert.ok(listed.every(({ changed, previous }) => Date.now() - changed.getTime() < 60_000 && !previous))
})

test("undo restores the previous version, and undoes itself", async (t) => {
  const { store } = await made(t)
  await store.set("a", new Secret("1"), signal)
  await rejects(store.undo("a", signal), "ERR_STORE", /no previous version/)
  await store.set("a", new Secret("2"), signal)
  await store.undo("a", signal)
  assert.equal(await text(store, "a"), "1")
  await store.undo("a", signal)
  assert.equal(await text(store, "a"), "2")
})

test("removing a secret also removes its previous version, and the directories of its name", async (t) => {
  const { store, stateDir } = await made(t)
  await store.set("x/y/a", new Secret("1"), signal)
  await store.set("x/y/a", new Secret("2"), signal)
  await store.set("x/b", new Secret("3"), signal)
  assert.equal(await store.remove("x/y/a", signal), true)
  assert.equal(await store.remove("x/y/a", signal), false)
  await rejects(store.undo("x/y/a", signal), "ERR_STORE", /no previous version/)
  assert.deepEqual((await readdir(join(stateDir, "secrets"), { recursive: true })).toSorted(), [
    "x",
    "x/b.age",
  ])
})

test("refuses names that would leave its directory, before anything is read or written", async (t) => {
  const { store, stateDir } = await made(t)
  for (const name of ["../a", "/a", "a/../b", "", "a\0", "a".repeat(300)]) {
    await rejects(store.set(name, new Secret("x"), signal), "ERR_NAME", /not a name/)
    await rejects(store.read(name), "ERR_NAME", /not a name/)
  }
  await assert.rejects(stat(stateDir), { code: "ENOENT" })
})

test("refuses a secret over the limit and keeps the old one", async (t) => {
  const { store } = await made(t)
  await store.set("a", new Secret("1"), signal)
  await rejects(
    store.set("a", new Secret(Buffer.alloc(1024 * 1024 + 1)), signal),
    "ERR_SECRET_TOO_LARGE",
    /1048576/,
  )
  assert.equal(await text(store, "a"), "1")
})

test("a damaged file, a lost key and a key that others can read are errors", async (t) => {
  const { store, stateDir, open } = await made(t)
  await store.set("a", new Secret("1"), signal)
  const [file, key] = [join(stateDir, "secrets/a.age"), join(stateDir, "store.key")]
  const sealed = await readFile(file)
  await writeFile(file, sealed.subarray(0, -1))
  await rejects(store.read("a"), "ERR_STORE", /a in the store cannot be decrypted/)
  await writeFile(file, sealed)
  if (process.platform !== "win32") {
    await chmod(key, 0o640)
    await rejects(open().read("a"), "ERR_STORE", /can be read or written by others/)
    await chmod(key, 0o600)
  }
  await writeFile(key, "nonsense\n")
  await rejects(open().read("a"), "ERR_STORE", /not an age identity file/)
  await rm(key)
  await rejects(open().read("a"), "ERR_STORE", /no key for a/)
})

test("many writers at once leave a whole secret, one key, and no temporary file", async (t) => {
  const { stateDir, open } = await made(t)
  const values = Array.from({ length: 8 }, (_, index) => `value ${index} `.repeat(1000))
  await Promise.all(values.map((value) => open().set("a", new Secret(value), signal)))
  assert.ok(values.includes((await text(open(), "a")) ?? ""))
  assert.ok(values.includes((await previousOf(open())) ?? ""))
  const left = await readdir(stateDir, { recursive: true })
  assert.deepEqual(
    left.filter((name) => /tmp/.test(name)),
    [],
  )
})

test("a new key decrypts everything, the old one nothing", async (t) => {
  const { store, stateDir, open } = await made(t)
  await store.set("a", new Secret("1"), signal)
  await store.set("a", new Secret("2"), signal)
  await store.set("x/b", new Secret("3"), signal)
  const oldKey = await readFile(join(stateDir, "store.key"))
  assert.equal(await store.changeKey({ passphrase: null }, signal), 2)
  assert.deepEqual(
    [await text(store, "a"), await text(open(), "x/b"), await previousOf(open())],
    ["2", "3", "1"],
  )
  assert.equal((await readFile(join(stateDir, "store.key"), "utf8")).match(/AGE-SECRET-KEY/g)?.length, 1)
  await writeFile(join(stateDir, "store.key"), oldKey)
  await rejects(open().read("a"), "ERR_STORE", /cannot be decrypted/)
})

test("a new key of the store also applies to the keys of certificates, from either directory", async (t) => {
  const { store, stateDir } = await made(t)
  const keys = new SecretStore({ stateDir, config: plain, maxBytes: 1024, directory: "ca/keys" })
  const id = "0123456789abcdef0123456789abcdef"
  await store.set("a", new Secret("1"), signal)
  await keys.set(id, new Secret("PKCS#8"), signal)
  assert.equal(await store.read(id), null)
  for (const changing of [store, keys]) {
    const before = await readFile(join(stateDir, "store.key"))
    assert.equal(await changing.changeKey({ passphrase: null }, signal), 1)
    assert.equal((await keys.read(id))?.revealText(), "PKCS#8")
    assert.equal(await text(store, "a"), "1")
    const after = await readFile(join(stateDir, "store.key"))
    await writeFile(join(stateDir, "store.key"), before)
    await rejects(store.read("a"), "ERR_STORE", /cannot be decrypted/)
    await rejects(keys.read(id), "ERR_STORE", /cannot be decrypted/)
    await writeFile(join(stateDir, "store.key"), after)
  }
})

test("an aborted change of key leaves everything readable, and can be repeated", async (t) => {
  const { store, open } = await made(t)
  for (const name of ["a", "b", "c"]) await store.set(name, new Secret(name), signal)
  const stop = new AbortController()
  // Aborted before the first secret: the new key is in place, the secrets are still under the old one.
  const change = store.changeKey({ passphrase: null }, stopAfter(stop, 2))
  await assert.rejects(change, { name: "AbortError" })
  for (const name of ["a", "b", "c"]) assert.equal(await text(open(), name), name)
  await open().set("d", new Secret("d"), signal)
  assert.equal(await open().changeKey({ passphrase: null }, signal), 4)
  for (const name of ["a", "b", "c", "d"]) assert.equal(await text(open(), name), name)
})

test("with a passphrase, writing needs none, reading does, and a wrong one is reported", async (t) => {
  const { store, stateDir, open } = await made(t)
  await store.set("a", new Secret("1"), signal)
  await store.changeKey({ passphrase: new Secret("correct horse") }, signal)
  assert.equal(await text(store, "a"), "1")
  await open().set("b", new Secret("2"), signal)
  await rejects(open().read("b"), "ERR_STORE", /has a passphrase/)
  const passphraseFile = join(stateDir, "passphrase")
  await writeFile(passphraseFile, "correct horse\n")
  assert.equal(await text(open({ passphraseFile }), "b"), "2")
  assert.ok(!(await readFile(join(stateDir, "store.key"), "utf8")).includes("AGE-SECRET-KEY"))
  await writeFile(passphraseFile, "wrong horse\n")
  await rejects(open({ passphraseFile }).read("b"), "ERR_STORE", /does not open/)
  await writeFile(passphraseFile, "\n")
  await rejects(open({ passphraseFile }).read("b"), "ERR_STORE", /is empty/)
})

test("with the user's own recipients there is no store.key, and changing over re-encrypts everything", async (t) => {
  const { store, stateDir, open } = await made(t)
  await store.set("a", new Secret("1"), signal)
  const [mine, other] = [await createAgeIdentity(), await createAgeIdentity()]
  const identityFile = join(stateDir, "my-key.txt")
  await writeFile(identityFile, `${mine.identity}\n`)
  const own = { recipients: [mine.recipient, other.recipient], identityFile }
  // Both kinds are readable before the change.
  await open(own).set("b", new Secret("2"), signal)
  assert.deepEqual([await text(open(own), "a"), await text(open(own), "b")], ["1", "2"])
  assert.equal(await open(own).changeKey("recipients", signal), 2)
  await assert.rejects(stat(join(stateDir, "store.key")), { code: "ENOENT" })
  assert.deepEqual([await text(open(own), "a"), await text(open(own), "b")], ["1", "2"])
  await writeFile(identityFile, `${other.identity}\n`)
  assert.equal(await text(open(own), "a"), "1")
})

test("refuses to change over to recipients that the identity file does not match", async (t) => {
  const { store, stateDir, open } = await made(t)
  await store.set("a", new Secret("1"), signal)
  const identityFile = join(stateDir, "my-key.txt")
  await writeFile(identityFile, `${(await createAgeIdentity()).identity}\n`)
  const own = { recipients: [(await createAgeIdentity()).recipient], identityFile }
  await rejects(open(own).changeKey("recipients", signal), "ERR_STORE", /cannot be decrypted/)
  assert.equal(await text(store, "a"), "1")
})

test("reports a secret that another process set or removed", async (t) => {
  const { store, open } = await made(t)
  const seen = new Set<string | undefined>()
  let wake = Promise.withResolvers<void>()
  const watcher = await store.watch((name) => {
    seen.add(name)
    wake.resolve()
  }, silentLog)
  const until = async (name: string): Promise<void> => {
    while (!seen.has(name)) {
      await wake.promise
      wake = Promise.withResolvers()
    }
    seen.delete(name)
  }
  await open().set("quotes/a", new Secret("1"), signal)
  await until("quotes/a")
  await open().set("quotes/a", new Secret("2"), signal)
  await until("quotes/a")
  await open().remove("quotes/a", signal)
  await until("quotes/a")
  await watcher[Symbol.asyncDispose]()
  assert.deepEqual([...seen], [])
})

test("a file in place of a directory is an error, not a crash", async (t) => {
  const { store, stateDir } = await made(t)
  await mkdir(stateDir)
  await writeFile(join(stateDir, "secrets"), "")
  await rejects(store.set("a", new Secret("1"), signal), "ERR_STORE", /cannot write/)
})

async function previousOf(store: SecretStore): Promise<string | undefined> {
  await store.undo("a", signal)
  const before = await text(store, "a")
  await store.undo("a", signal)
  return before
}

/** Returns a signal that aborts at its `count`th check. */
function stopAfter(stop: AbortController, count: number): AbortSignal {
  let left = count
  return new Proxy(stop.signal, {
    get(target, key) {
      if (key === "throwIfAborted" && left-- <= 0) stop.abort()
      const value: unknown = Reflect.get(target, key)
      return typeof value === "function" ? value.bind(target) : value
    },
  })
}

async function rejects(promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isPurserError(error, code), String(error))
    assert.match(error.message, message)
    return true
  })
}
