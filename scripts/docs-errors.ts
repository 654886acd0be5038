/**
 * Writes `docs/errors.md` out of the table of errors in the code. `--check` writes nothing and ends with 1
 * where the file is not what would be written.
 */
import { readFile, writeFile } from "node:fs/promises"
import { resolve } from "node:path"
import { format, resolveConfig } from "prettier"
import { errorKinds } from "../src/base/errors.ts"

const file = resolve(import.meta.dirname, "../docs/errors.md")

const exitCodes: readonly [code: number, about: string][] = [
  [0, "it is done; of `purser agent --once`: every target has everything"],
  [1, "something failed"],
  [2, "bad usage or configuration: nothing was tried"],
  [3, "refused, by Purser or by its peer"],
  [4, "not reachable"],
  [5, "in use by another process"],
  [70, "a defect of Purser"],
  [130, "Ctrl-C; 143 is SIGTERM"],
]

const rows = Object.entries(errorKinds).map(
  ([code, { exit, about }]) => `| \`${code}\` | ${exit} | ${about} |`,
)
const text = `<!-- Written by scripts/docs-errors.ts. -->

# Errors and exit codes

A command that fails says so in one line on stderr, which names the thing, and gives the next step in a second one:

\`\`\`
purser: purser.yaml:12:3: unknown key "secrts"
hint: did you mean "secrets"?
\`\`\`

With \`--json\` it is an object: \`{"error":"ERR_CONFIG","message":"…","hint":"…"}\`; with \`--verbose\` causes follow.
A \`PurserError\` of the library has the same \`code\`, \`message\` and \`hint\`. No message ever holds a secret's value.

| exit code | means |
| --- | --- |
${exitCodes.map(([code, about]) => `| ${code} | ${about} |`).join("\n")}

In exec mode \`purser node -- COMMAND\` ends as the command does.

| code | exit code | means |
| --- | --- | --- |
${rows.join("\n")}
`

const unlisted = Object.entries(errorKinds).filter(
  ([, { exit }]) => !exitCodes.some(([code]) => code === exit),
)
if (unlisted.length > 0)
  throw new Error(`an exit code without a meaning: ${unlisted.map(([code]) => code).join(", ")}`)

const options = await resolveConfig(file)
const formatted = await format(text, { ...options, parser: "markdown" })
if (!process.argv.includes("--check")) {
  await writeFile(file, formatted)
} else if ((await readFile(file, "utf8").catch(() => "")) !== formatted) {
  console.error(
    "docs/errors.md is not what the table of errors says\nhint: node scripts/docs-errors.ts writes it",
  )
  process.exitCode = 1
}
