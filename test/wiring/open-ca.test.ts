import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { PurserError, isPurserError } from "../../src/base/errors.ts"
import { Secret } from "../../src/base/secret.ts"
import { defaultConfig } from "../../src/wiring/default-config.ts"
import { openCa, type OpenCaOptions } from "../../src/wiring/open-ca.ts"
import type { AskPassphrase } from "../../src/wiring/open-context.ts"
import { testLog } from "../support/pair.ts"
import { tempDir } from "../support/temp.ts"

const { signal } = new AbortController()

async function place(t: TestContext) {
  const directory = await tempDir(t)
  const file = join(directory, "passphrase")
  await writeFile(file, "of the file\n", { mode: 0o600 })
  const plain = defaultConfig(join(directory, "state"))
  const ca = { ...plain.ca, passphraseFile: file }
  const config = { ...plain, sources: { ...plain.sources, ca } }
  const open = (options: OpenCaOptions, askPassphrase?: AskPassphrase) => {
    const said = testLog()
    const opened = openCa(config, { log: said.log, askPassphrase }, options)
    t.after(() => opened[Symbol.asyncDispose]())
    return { ca: opened, said }
  }
  return { open, rootKey: join(plain.stateDir, "ca", "root.key") }
}

const given = (text: string) => async (): Promise<Secret> => new Secret(text)

test("ca.passphrase_file gives the intermediate's passphrase, and the root's too if no person can be asked", async (t) => {
  const { open } = await place(t)
  const { ca, said } = open({})
  await ca.init(signal)
  assert.match(said.text(), /the root's key has the same passphrase as the intermediate's/)
  await open({ passphrase: given("of the file") }).ca.unlock(signal)
  await open({ rootPassphrase: given("of the file") }).ca.renewIntermediate(signal)
})

test("a given passphrase takes precedence over the file, and a wrong one is refused", async (t) => {
  const { open } = await place(t)
  await open({ passphrase: given("another") }).ca.init(signal)
  await open({ passphrase: given("another") }).ca.unlock(signal)
  await assert.rejects(open({}).ca.unlock(signal), (error) => isPurserError(error, "ERR_PASSPHRASE"))
})

test("a missing passphrase is asked for", async (t) => {
  const { open } = await place(t)
  const asked: string[] = []
  const ask: AskPassphrase = async (key, purpose) => {
    asked.push(`${key} ${purpose}`)
    return new Secret("as asked for")
  }
  const { ca, said } = open({}, ask)
  await ca.init(signal)
  assert.deepEqual(asked, ["root new"])
  assert.equal(said.text(), "")
  await open({ rootPassphrase: given("as asked for") }).ca.renewIntermediate(signal)
  await assert.rejects(open({}).ca.renewIntermediate(signal), PurserError)
})
