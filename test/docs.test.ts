import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { glob, readFile, readdir } from "node:fs/promises"
import { dirname, join, relative, resolve } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { parseDocument } from "yaml"
import { resolveConfigText } from "../src/wiring/config.ts"
import { codeBlocks } from "./support/markdown.ts"

const root = resolve(import.meta.dirname, "..")

async function pages(): Promise<string[]> {
  const found = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
  for await (const file of glob("docs/**/*.md", { cwd: root })) found.push(file)
  return found.sort()
}

/** As GitHub names the anchors of headings. */
function anchors(markdown: string): Set<string> {
  const headings = [...markdown.replace(/^```[^]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm)]
  return new Set(
    headings.map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  )
}

test("every link between the pages leads to a file and a heading that exist", async () => {
  let count = 0
  for (const page of await pages()) {
    const text = (await readFile(join(root, page), "utf8")).replace(/^```[^]*?^```$/gm, "")
    for (const [, link = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^\w+:/.test(link)) continue
      count++
      const [path = "", anchor] = link.split("#")
      const target = path === "" ? join(root, page) : resolve(root, dirname(page), path)
      assert.ok(existsSync(target), `${page} links to ${link}`)
      if (anchor === undefined) continue
      assert.ok(anchors(await readFile(target, "utf8")).has(anchor), `${page} links to ${link}`)
    }
  }
  assert.ok(count > 20)
})

test("the index names every page", async () => {
  const index = await readFile(join(root, "docs/README.md"), "utf8")
  for (const page of await pages()) {
    if (!page.startsWith("docs/") || page === "docs/README.md") continue
    assert.ok(index.includes(`](${relative("docs", page)})`), page)
  }
})

test("every file and folder that the architecture names is there", async () => {
  const text = await readFile(join(root, "docs/architecture.md"), "utf8")
  const named = [...text.matchAll(/`(src\/[\w/.-]+)`/g)].map(([, path = ""]) => path)
  assert.ok(named.length > 10)
  assert.deepEqual(
    named.filter((path) => !existsSync(join(root, path))),
    [],
  )
  const drawn = /^src\/\n([^]*?)^```/m.exec(text)?.[1] ?? ""
  const folders = [...drawn.matchAll(/^ {2}([\w.]+)\/? /gm)].map(([, name = ""]) => name)
  assert.deepEqual(folders.toSorted(), (await readdir(join(root, "src"))).toSorted())
})

test("every block of YAML is YAML, and every block of JSON is JSON", async () => {
  let count = 0
  for (const page of await pages()) {
    for (const { language, text, line } of await codeBlocks(page)) {
      if (language === "json") assert.doesNotThrow(() => JSON.parse(text) as unknown, `${page}:${line}`)
      if (language !== "yaml") continue
      count++
      const { errors } = parseDocument(text)
      assert.deepEqual(
        errors.map(({ message }) => `${page}:${line}: ${message}`),
        [],
      )
    }
  }
  assert.ok(count >= 5)
})

test("every block that is a purser.yaml fits the schema", async () => {
  let count = 0
  for (const page of await pages()) {
    for (const { text, line, language } of await codeBlocks(page)) {
      if (language !== "yaml" || !/^apps:/m.test(text)) continue
      count++
      const where = { stateDir: undefined, defaultStateDir: "/state", file: undefined, directory: "/" }
      assert.doesNotThrow(() => resolveConfigText(text, page, where), `${page}:${line}`)
    }
  }
  assert.ok(count >= 3)
})

test("the pages of errors and of the audit log are what the tables in the code say", async () => {
  await promisify(execFile)(process.execPath, [join(root, "scripts/docs.ts"), "--check"])
})
