import { globSync, readFileSync } from "node:fs"
import { posix } from "node:path"

/** Finds the tests of a file, for `npm test -- src/x/y.ts`. All paths are from the repository's root, with `/`. */

export interface Covering {
  /** Sorted. Empty where no test reaches the file. */
  readonly tests: readonly string[]
  /** In words: "its mirror", "they import it", "they reach it in 2 steps". */
  readonly how: string
}

/** For each file, the files that name it. */
export type NamedBy = ReadonlyMap<string, ReadonlySet<string>>

const folders = ["bin", "bench", "examples", "scripts", "src", "test"]
/** It plants imports that are none. */
const plants = "test/architecture.test.ts"
/** A path in quotes, as an import has it, and whatever starts a program or opens a fixture. */
const quotedPath = /["'`]((?:\.{1,2}\/)*[\w.@/-]+\.[cm]?[jt]s)["'`]/g

/** Reads every program here: an import counts, a type's too, and a path in a string, since many tests start `bin/purser.js`. */
export function readNames(root: string): NamedBy {
  const files = new Set(
    globSync(
      folders.map((folder) => `${folder}/**/*.{ts,mts,js,mjs}`),
      { cwd: root },
    ),
  )
  const namedBy = new Map<string, Set<string>>()
  const add = (file: string, by: string): void => {
    const all = namedBy.get(file)
    if (all === undefined) namedBy.set(file, new Set([by]))
    else all.add(by)
  }
  for (const file of files) {
    // A command's test starts the whole program; whose test it is only its name says.
    if (files.has(mirrorOf(file))) add(file, mirrorOf(file))
    if (file === plants) continue
    for (const [, path = ""] of readFileSync(posix.join(root, file), "utf8").matchAll(quotedPath)) {
      // Relative to the file, to the root, or to src as in `src("base/lock.ts")` of test/support/script.ts.
      const named = [posix.join(posix.dirname(file), path), path, `src/${path}`].find((one) => files.has(one))
      if (named !== undefined && named !== file) add(named, file)
    }
  }
  return namedBy
}

/**
 * The mirror; without one the tests that import the file; or else those that reach it by the fewest files between, and
 * of these the ones in the mirror's own folder or the nearest to it.
 */
export function coveringTests(file: string, namedBy: NamedBy, exists: (path: string) => boolean): Covering {
  const mirror = mirrorOf(file)
  if (exists(mirror)) return { tests: [mirror], how: "its mirror" }
  const steps = stepsTo(file, namedBy)
  const tests = [...steps.keys()].filter(isTest)
  if (tests.length === 0) return { tests, how: "no test reaches it" }
  const direct = tests.filter((test) => steps.get(test) === 1)
  if (direct.length > 0) return { tests: direct.toSorted(), how: "they import it" }
  const nearest = best(tests, (test) => steps.get(test) ?? Infinity)
  const beside = best(nearest, (test) => -sharedFolders(mirror, test))
  return { tests: beside.toSorted(), how: `they reach it in ${steps.get(beside[0] ?? "")} steps` }
}

/** Whatever reaches the file, and by how many steps. */
function stepsTo(file: string, namedBy: NamedBy): Map<string, number> {
  const steps = new Map([[file, 0]])
  // A map's entries that are added meanwhile come last: the nearest first.
  for (const [path, count] of steps)
    for (const by of namedBy.get(path) ?? []) if (!steps.has(by)) steps.set(by, count + 1)
  return steps
}

/** Those for which `cost` is least. */
function best(tests: readonly string[], cost: (test: string) => number): string[] {
  const least = Math.min(...tests.map(cost))
  return tests.filter((test) => cost(test) === least)
}

export function isTest(path: string): boolean {
  return /\.(?:test|soak)\.ts$/.test(path)
}

/** `src/x/y.ts` → `test/x/y.test.ts`, `scripts/z.mjs` → `test/scripts/z.test.ts`. */
function mirrorOf(file: string): string {
  return `test/${file.replace(/^src\//, "").replace(/\.[cm]?[jt]s$/, "")}.test.ts`
}

function sharedFolders(one: string, other: string): number {
  const [ours, theirs] = [posix.dirname(one).split("/"), posix.dirname(other).split("/")]
  const different = ours.findIndex((part, index) => part !== theirs[index])
  return different < 0 ? ours.length : different
}
