/**
 * Writes the parts of the documentation that are generated from tables in the code: `docs/errors.md`, and the events in `docs/audit.md`.
 * `--check` writes nothing and ends with 1 when a page is out of date.
 */
import { readFile, writeFile } from "node:fs/promises"
import { resolve } from "node:path"
import { format, resolveConfig } from "prettier"
import { auditEventsSection } from "./docs/audit-events.ts"
import { errorsPage } from "./docs/errors-page.ts"

/** The text of each page, from its present text. */
const pages: Readonly<Record<string, (present: string) => string>> = {
  "docs/errors.md": errorsPage,
  "docs/audit.md": (present) => replaceSection(present, "events", auditEventsSection()),
}

const root = resolve(import.meta.dirname, "..")
const isCheck = process.argv.includes("--check")
for (const [page, write] of Object.entries(pages)) {
  const file = resolve(root, page)
  const present = await readFile(file, "utf8")
  const text = await format(write(present), { ...(await resolveConfig(file)), parser: "markdown" })
  if (text === present) continue
  if (isCheck) {
    console.error(`${page} is not what the code says\nhint: npm run docs writes it`)
    process.exitCode = 1
  } else {
    await writeFile(file, text)
    console.log(`docs: wrote ${page}`)
  }
}

/** Replaces the text between `<!-- NAME: … -->` and `<!-- end of NAME -->`. */
function replaceSection(present: string, name: string, section: string): string {
  const [begin = "", ...more] = new RegExp(`^<!-- ${name}: .*-->$`, "m").exec(present) ?? []
  const end = `<!-- end of ${name} -->`
  const from = present.indexOf(begin) + begin.length
  const to = present.indexOf(end)
  if (begin === "" || more.length > 0 || to < from) throw new Error(`no section ${name} between its comments`)
  return `${present.slice(0, from)}\n\n${section}\n${present.slice(to)}`
}
