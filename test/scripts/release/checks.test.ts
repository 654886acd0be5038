import assert from "node:assert/strict"
import { test } from "node:test"
import { judgeRelease, sectionsOf, type ReleaseState } from "../../../scripts/release/checks.ts"

const changelog = `# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-30

### Added

- Something.

[1.2.0]: https://example.org/
`

const ready: ReleaseState = {
  versions: { "package.json": "1.2.0", "src/base/version.ts": "1.2.0" },
  changelog,
  uncommitted: [],
  tags: ["v1.2.0"],
}

const problems = (changed: Partial<ReleaseState>, isDryRun = false) =>
  judgeRelease({ ...ready, ...changed }, { isDryRun }).problems

test("what agrees may be published, with the notes of its section", () => {
  assert.deepEqual(judgeRelease(ready, { isDryRun: false }), {
    version: "1.2.0",
    problems: [],
    notes: "### Added\n\n- Something.",
  })
})

test("what does not agree is named", () => {
  for (const [changed, message] of [
    [{ versions: { ...ready.versions, "src/base/version.ts": "1.1.0" } }, /version\.ts says 1\.1\.0/],
    [{ versions: { "package.json": "1.2" } }, /package\.json has no version: "1\.2"/],
    [{ uncommitted: ["src/a.ts"] }, /^src\/a\.ts is not committed$/m],
    [{ tags: ["v1.1.0"] }, /no tag v1\.2\.0/],
    [{ changelog: "# Changelog\n" }, /no section "## \[1\.2\.0\]/],
    [{ changelog: changelog.replace("### Added\n\n- Something.\n", "") }, /says nothing of 1\.2\.0/],
    [{ changelog: changelog.replace(" - 2026-11-30", "") }, /no date/],
    [{ changelog: changelog.replace("[Unreleased]\n", "[Unreleased]\n\n- More.\n") }, /still has entries/],
  ] as const) {
    const found = problems(changed)
    assert.match(found.join("\n"), message)
  }
})

test("a dry run needs neither the tag nor the version's own section, but all else", () => {
  const unreleased = "# Changelog\n\n## [Unreleased]\n\n- Something.\n"
  assert.deepEqual(problems({ changelog: unreleased, tags: [] }, true), [])
  assert.equal(problems({ changelog: "## [Unreleased]\n", tags: [] }, true).length, 1)
  assert.equal(problems({ uncommitted: ["a"], tags: [] }, true).length, 1)
})

test("sections are found by their headings", () => {
  assert.deepEqual([...sectionsOf(changelog).keys()], ["Unreleased", "1.2.0"])
})
