import { errorFamilies, errorKinds } from "../../src/base/errors/table.ts"

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

/** `docs/errors.md`, from the table of errors. */
export function errorsPage(): string {
  const unlisted = Object.entries(errorKinds).filter(
    ([, { exit }]) => !exitCodes.some(([code]) => code === exit),
  )
  if (unlisted.length > 0)
    throw new Error(`an exit code without a meaning: ${unlisted.map(([code]) => code).join(", ")}`)
  return `<!-- Written by scripts/docs.ts. -->

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

A program that answers over HTTP takes the status of an error from \`errorKinds[error.code].http\`.

${errorFamilies.map(familySection).join("\n")}`
}

function familySection({ title, kinds }: (typeof errorFamilies)[number]): string {
  const rows = Object.entries(kinds).map(
    ([code, { exit, http, about }]) => `| \`${code}\` | ${exit} | ${http} | ${about} |`,
  )
  return `## ${title}

| code | exit code | HTTP | means |
| --- | --- | --- | --- |
${rows.join("\n")}
`
}
