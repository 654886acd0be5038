/** Checks the facts that have to agree before a version is published. */

export interface ReleaseState {
  /** `version` of package.json, package-lock.json and src/base/version.ts, by file. */
  readonly versions: Readonly<Record<string, string>>
  readonly changelog: string
  /** Paths that are not committed. */
  readonly uncommitted: readonly string[]
  /** Tags of the commit that is checked out. */
  readonly tags: readonly string[]
}

export interface ReleaseVerdict {
  readonly version: string
  /** A line each; empty where all is well. */
  readonly problems: readonly string[]
  /** The section of the changelog. */
  readonly notes: string
}

/** In a dry run the section `[Unreleased]` may stand in for the version's own, and the tag may be missing. */
export function judgeRelease(state: ReleaseState, { isDryRun }: { isDryRun: boolean }): ReleaseVerdict {
  const problems: string[] = []
  const [first, ...others] = Object.entries(state.versions)
  const version = first?.[1] ?? ""
  if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
    problems.push(`${first?.[0]} has no version: "${version}"`)
  for (const [file, other] of others)
    if (other !== version) problems.push(`${file} says ${other}, ${first?.[0]} says ${version}`)
  const sections = sectionsOf(state.changelog)
  const own = sections.get(version)
  const section = own ?? (isDryRun ? sections.get("Unreleased") : undefined)
  if (section === undefined) problems.push(`CHANGELOG.md has no section "## [${version}] - YYYY-MM-DD"`)
  else if (section.text === "") problems.push(`CHANGELOG.md says nothing of ${version}`)
  if (own !== undefined && !/^\d{4}-\d\d-\d\d$/.test(own.date))
    problems.push(`CHANGELOG.md has no date for ${version}: "## [${version}] - YYYY-MM-DD"`)
  const unreleased = sections.get("Unreleased")
  if (own !== undefined && unreleased !== undefined && unreleased.text !== "")
    problems.push("CHANGELOG.md still has entries under [Unreleased]")
  for (const path of state.uncommitted) problems.push(`${path} is not committed`)
  if (!isDryRun && !state.tags.includes(`v${version}`))
    problems.push(`the commit has no tag v${version}: git tag --annotate v${version}`)
  return { version, problems, notes: section?.text ?? "" }
}

interface Section {
  readonly date: string
  readonly text: string
}

/** The sections of keepachangelog.com's form, by version or `Unreleased`. */
export function sectionsOf(changelog: string): Map<string, Section> {
  const sections = new Map<string, Section>()
  for (const part of changelog.split(/^## /m).slice(1)) {
    const [heading = "", ...lines] = part.split("\n")
    const [, name = "", date = ""] = /^\[([^\]]+)\](?: - (.*))?$/.exec(heading.trim()) ?? []
    sections.set(name, {
      date,
      text: lines
        .join("\n")
        .replace(/^\[[^\]]+\]: .*$/gm, "")
        .trim(),
    })
  }
  return sections
}
