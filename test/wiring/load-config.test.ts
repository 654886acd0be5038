import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test, type TestContext } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { loadConfig, loadConfigWith } from "../../src/wiring/load-config.ts"
import { tempDir } from "../support/temp.ts"

async function written(t: TestContext, files: Readonly<Record<string, string>>) {
  const directory = await tempDir(t)
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return { directory, file: join(directory, "purser.yaml") }
}

test("a location takes precedence over the file, and is relative to the working directory", async (t) => {
  const { directory, file } = await written(t, {
    "purser.yaml": "state: of-file\nstore: { passphrase_file: of-file }\n",
  })
  const plain = await loadConfig({ file })
  assert.equal(plain.stateDir, join(directory, "of-file"))
  assert.equal(plain.sources.store.passphraseFile, join(directory, "of-file"))
  const located = await loadConfig({ file, stateDir: "located", passphraseFile: "located" })
  assert.equal(located.stateDir, resolve("located"))
  assert.equal(located.sources.store.passphraseFile, resolve("located"))
  assert.equal((await loadConfig({ passphraseFile: "x" })).sources.store.passphraseFile, resolve("x"))
})

test("a ca.yaml beside the file configures the CA, and its paths are relative to it", async (t) => {
  const { directory, file } = await written(t, {
    "purser.yaml": "every: 2h\n",
    "ca.yaml": "name: Lan\npassphrase_file: secret\n",
  })
  const { ca, sources, everyMs } = await loadConfig({ file })
  assert.deepEqual([ca.name, ca.passphraseFile, everyMs], ["Lan", join(directory, "secret"), 7_200_000])
  assert.equal(sources.ca, ca)
})

test("a named file must exist", async (t) => {
  const { directory } = await written(t, {})
  await assert.rejects(loadConfig({ file: join(directory, "none.yaml") }), (error) =>
    isPurserError(error, "ERR_CONFIG"),
  )
})

test("with apps from elsewhere, the file still gives this host's settings, but neither secrets nor apps", async (t) => {
  const { directory, file } = await written(t, {
    "purser.yaml": [
      "state: state",
      "store: { passphrase_file: pass }",
      "secrets: { a: store }",
      "apps: { of-file: { secrets: [a] } }",
      "every: 2h",
      "discover: 10m",
      "limits: { secret_bytes: 99 }",
    ].join("\n"),
  })
  const plain = { secrets: { b: "store" as const }, apps: { web: { secrets: ["b"] } }, every: "3h" }
  const config = await loadConfigWith(plain, { file })
  assert.deepEqual([Object.keys(config.apps), Object.keys(config.sources.secrets)], [["web"], ["b"]])
  assert.equal(config.stateDir, join(directory, "state"))
  assert.equal(config.sources.store.passphraseFile, join(directory, "pass"))
  assert.deepEqual([config.everyMs, config.discoverMs], [3 * 3_600_000, 600_000])
  assert.deepEqual([config.sources.secretBytes, config.limits.secretBytes], [99, 99])
})
