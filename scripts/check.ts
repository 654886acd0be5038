/** Runs every static check. Prints one line for each, and the output of those that fail. */
import { run } from "./run.ts"

/** Not the `tsc` of node_modules/.bin: TypeScript 5, which a test wants, has that name as well. */
const tsc = "node_modules/typescript/bin/tsc"

const checks: readonly [what: string, command: string, args: readonly string[]][] = [
  ["format", "prettier", ["--check", "--log-level", "warn", "."]],
  ["lint", "oxlint", ["--type-aware", "--deny-warnings", "--quiet"]],
  ["types", "node", [tsc, "--noEmit"]],
  // A type that the declarations of the library cannot name is an error only there.
  ["declarations", "node", [tsc, "-p", "tsconfig.build.json", "--noEmit"]],
  ["import rules", "node", ["--test", "--test-reporter=dot", "test/architecture.test.ts"]],
]

const results = await Promise.all(
  checks.map(async ([what, command, args]) => {
    const start = performance.now()
    const code = await run(command, args, { quiet: true })
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    console.log(`check: ${code === 0 ? "ok    " : "FAILED"} ${what} (${seconds} s)`)
    return code
  }),
)
if (results.some((code) => code !== 0)) {
  console.log("check: hint: npm run format mends the format")
  process.exitCode = 1
}
