import assert from "node:assert/strict"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { caSchema, resolveCa } from "../../src/ca/config.ts"
import type { Catalogue } from "../../src/sources/catalogue.ts"
import { createCatalogue } from "../../src/sources/open-catalogue.ts"
import type { SourceSpec } from "../../src/sources/kinds.ts"
import { SecretStore } from "../../src/sources/store/store.ts"
import { tempDir } from "../support/temp.ts"

const { signal } = new AbortController()
const store = { passphraseFile: undefined, recipients: undefined, identityFile: undefined }
const ca = resolveCa(caSchema.parse({}), "/")
const maxBytes = 1024

async function made(t: TestContext, specs: (root: string) => Record<string, SourceSpec>) {
  const root = await tempDir(t)
  const stateDir = join(root, "state")
  for (const [name, content] of Object.entries({
    "quotes/a": "quote a",
    "quotes/b": "quote b",
    "all/x": "x of all",
    "all/quotes/a": "a of all",
  })) {
    await mkdir(join(root, name, ".."), { recursive: true })
    await writeFile(join(root, name), content)
  }
  const secrets = new SecretStore({ stateDir, config: store, maxBytes })
  const catalogue = createCatalogue(
    { secrets: specs(root), ca, secretBytes: maxBytes },
    {
      store: () => secrets,
      ca: () => assert.fail("no CA is wanted here"),
      env: { KEY: "of env" },
      log: silentLog,
    },
  )
  t.after(() => catalogue[Symbol.asyncDispose]())
  return { root, catalogue, secrets }
}

const text = async (catalogue: Catalogue, name: string): Promise<string | undefined> =>
  (await catalogue.read(name, signal))?.revealText()

test("a name takes precedence over a pattern, and a longer pattern over a shorter one", async (t) => {
  const { catalogue } = await made(t, (root) => ({
    "*": { kind: "dir", path: join(root, "all") },
    "quotes/*": { kind: "dir", path: join(root, "quotes") },
    "quotes/b": { kind: "env", variable: "KEY" },
  }))
  assert.equal(await text(catalogue, "x"), "x of all")
  assert.equal(await text(catalogue, "quotes/a"), "quote a")
  assert.equal(await text(catalogue, "quotes/b"), "of env")
  assert.deepEqual(await catalogue.names(["*"], signal), ["quotes/a", "quotes/b", "x"])
})

test("lists exactly the names that the grants cover, whether or not a source has them", async (t) => {
  const { catalogue, secrets } = await made(t, (root) => ({
    "quotes/*": { kind: "dir", path: join(root, "quotes") },
    key: { kind: "env", variable: "NONE" },
    other: { kind: "env", variable: "KEY" },
    "db/*": { kind: "store" },
  }))
  await secrets.set("db/password", new Secret("1"), signal)
  await secrets.set("unlisted", new Secret("1"), signal)
  assert.deepEqual(await catalogue.names(["key"], signal), ["key"])
  assert.deepEqual(await catalogue.names(["quotes/*", "key"], signal), ["key", "quotes/a", "quotes/b"])
  assert.deepEqual(await catalogue.names(["quotes/b/*"], signal), [])
  assert.deepEqual(await catalogue.names(["db/*"], signal), ["db/password"])
  assert.deepEqual(await catalogue.names([], signal), [])
  assert.deepEqual(await catalogue.names(["*"], signal), [
    "db/password",
    "key",
    "other",
    "quotes/a",
    "quotes/b",
  ])
  // In the store, but under no entry of `secrets:`.
  assert.equal(await catalogue.read("unlisted", signal), null)
})

test("a secret that no source has is null; an invalid name is refused", async (t) => {
  const { catalogue } = await made(t, (root) => ({ "quotes/*": { kind: "dir", path: join(root, "quotes") } }))
  assert.equal(await catalogue.read("nothing", signal), null)
  assert.equal(await catalogue.read("quotes/none", signal), null)
  for (const name of ["../x", "quotes/../all/x", "/etc/passwd", "quotes/a\0"]) {
    await assert.rejects(catalogue.read(name, signal), (error) => isPurserError(error, "ERR_NAME"))
  }
})

test("an unreadable directory is an error, not an empty list", async (t) => {
  const { catalogue } = await made(t, (root) => ({ "gone/*": { kind: "dir", path: join(root, "gone") } }))
  await assert.rejects(catalogue.names(["*"], signal), (error) => isPurserError(error, "ERR_SOURCE"))
})

test("reports which names changed, in a directory and in the store, and gathers simultaneous changes", async (t) => {
  const { root, catalogue, secrets } = await made(t, (root) => ({
    "quotes/*": { kind: "dir", path: join(root, "quotes") },
    password: { kind: "store" },
  }))
  await secrets.set("warm-up", new Secret("1"), signal)
  const seen = new Set<string>()
  let wake = Promise.withResolvers<void>()
  catalogue.watch((names) => {
    // The new key of this test's store may be reported late; "all" alone would never end the rounds below.
    if (names === "all") return
    for (const name of names) seen.add(name)
    wake.resolve()
  })
  // The watchers start asynchronously and may miss a change until then, so it is repeated.
  const until = async (name: string, change: (round: number) => Promise<void>): Promise<void> => {
    for (let round = 0; !seen.has(name); round++) {
      await change(round)
      await Promise.race([wake.promise, new Promise((resolve) => setTimeout(resolve, 1000))])
      wake = Promise.withResolvers()
    }
  }
  await until("quotes/a", (round) => writeFile(join(root, "quotes/a"), `round ${round}`))
  await until("password", async (round) => {
    await secrets.set("unlisted", new Secret(`round ${round}`), signal)
    await secrets.set("password", new Secret(`round ${round}`), signal)
  })
  assert.deepEqual([...seen].toSorted(), ["password", "quotes/a"])
})
