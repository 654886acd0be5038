import assert from "node:assert/strict"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { originalAgent, originalNode } from "../../support/fluxvault-peer.ts"
import { codeBlocks } from "../../support/markdown.ts"
import { processes } from "../../support/processes.ts"

test("the four steps of the guide move an app over, with the files that it shows", async (t) => {
  const { base, run, purser, node: startNode } = await processes(t)
  const guide = await codeBlocks("docs/fluxvault.md")
  const block = (section: RegExp, language: string): string =>
    guide.find((one) => section.test(one.section) && one.language === language)?.text ??
    assert.fail(String(section))
  const files: Record<string, string> = {
    "db-password": "swordfish",
    "quotes/one.txt": "ä\n",
    ".env": "A=1\n",
  }
  await mkdir(join(base, "files/quotes"), { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(join(base, "files", name), content)
  const configure = async (text: string, address: string): Promise<void> => {
    assert.match(text, /203\.0\.113\.7:39898/)
    await writeFile(join(base, "purser.yaml"), text.replace("203.0.113.7:39898", address))
  }
  const once = async (): Promise<string> => {
    const { code, stdout, stderr } = await run(["agent", "--once"])
    assert.equal(code, 0, stderr)
    return stdout + stderr
  }

  // Steps 1 and 2: our agent, their node.
  const old = await originalNode(t, Object.keys(files))
  await configure(block(/^Step 1/, "yaml"), old.address)
  const checked = await run(["check"])
  assert.equal(checked.code, 0)
  assert.doesNotMatch(checked.stderr, /left out/)
  assert.match(await once(), /not authenticated/)
  assert.deepEqual(Object.fromEntries(old.files), files)

  // Step 3: our node, which either agent can serve.
  const out = join(base, "out")
  const env = Object.fromEntries(
    block(/^Step 3/, "")
      .split(/\n(?=PURSER_)/)
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).trim()]),
  )
  assert.deepEqual(Object.keys(env), ["PURSER_PROTOCOL", "PURSER_ALLOW", "PURSER_DIRECTORY", "PURSER_FILES"])
  const changes = { PURSER_ALLOW: "127.0.0.1", PURSER_DIRECTORY: out }
  const between = await startNode("", [], { env: { ...env, ...changes } })
  assert.equal((await originalAgent(between.port, files))?.length, 3)
  await configure(block(/^Step 1/, "yaml"), between.address)
  assert.match(await once(), /ok, 0 sent, 3 match/)
  for (const [name, content] of Object.entries(files))
    assert.equal(await readFile(join(out, name), "utf8"), content)
  await between.stop()

  // Step 4.
  const secure = { ...env, ...changes, PURSER_PROTOCOL: undefined }
  const node = await startNode(await purser(["enrol", "web"]), [], { env: secure })
  await configure(block(/^Step 4/, "yaml"), node.address)
  const said = await once()
  assert.match(said, /ok, 0 sent, 3 match/)
  assert.doesNotMatch(said, /warn|fluxvault/i)
  const [, pin] = await node.wrote("stderr", /pin=(sha256:\S+)/)
  assert.match(await purser(["nodes", "ls"]), new RegExp(`${node.address}.*${pin}`))
})
