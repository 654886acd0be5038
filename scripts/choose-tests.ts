import { existsSync, globSync, statSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import { coveringTests, isTest, readNames, type NamedBy } from "./covering-tests.ts"

/** Which test files the arguments of `npm test` mean. */

export interface Choice {
  /** Absolute, sorted, each once. */
  readonly files: readonly string[]
  /** Lines for people: which tests cover a file that was named. */
  readonly notes: readonly string[]
  /** Arguments that mean no test, each with the reason. */
  readonly problems: readonly string[]
}

/** A test file means itself, a folder the tests in it or in its mirror, any other file the tests that cover it. */
export function chooseTests(root: string, args: readonly string[], pattern = "*.test.ts"): Choice {
  const files = new Set<string>()
  const [notes, problems]: [string[], string[]] = [[], []]
  let names: NamedBy | undefined
  const exists = (path: string): boolean => existsSync(join(root, path))
  for (const arg of args) {
    const path = relative(root, resolve(arg)).replaceAll("\\", "/")
    if (!exists(path)) problems.push(`there is no ${path}`)
    else if (statSync(join(root, path)).isDirectory()) {
      const found = testsIn(root, path, pattern)
      if (found.length === 0) problems.push(`no test is in ${path}, nor in its mirror`)
      for (const file of found) files.add(file)
    } else if (isTest(path)) files.add(join(root, path))
    else {
      const { tests, how } = coveringTests(path, (names ??= readNames(root)), exists)
      if (tests.length === 0) problems.push(`no test covers ${path}`)
      else notes.push(`${path} is covered by ${tests.join(", ")} (${how})`)
      for (const test of tests) files.add(join(root, test))
    }
  }
  if (args.length === 0) for (const file of testsIn(root, "test", pattern)) files.add(file)
  return { files: [...files].toSorted(), notes, problems }
}

function testsIn(root: string, folder: string, pattern: string): string[] {
  const folders = [folder, folder.replace(/^src(?=\/|$)/, "test")]
  return globSync(
    folders.map((one) => `${one}/**/${pattern}`),
    { cwd: root },
  ).map((file) => join(root, file))
}
