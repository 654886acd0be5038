/**
 * Publishes the version that is checked out, with provenance: an attestation by the code host of the commit and the
 * workflow that the package comes from. So a release is made by `.github/workflows/release.yml`, when a tag is pushed.
 *
 *   npm run release -- --dry-run                  everything but the publishing; what it would have published is left
 *                                                 in .cache/release
 *   npm run release -- --dry-run --skip-tests     the same without the tests
 */
import { createHash } from "node:crypto"
import { execFileSync } from "node:child_process"
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { judgeRelease, type ReleaseState } from "./release/checks.ts"
import { run } from "./run.ts"

const root = resolve(import.meta.dirname, "..")
const out = join(root, ".cache/release")
const { values } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    "skip-tests": { type: "boolean", default: false },
  },
})
const isDryRun = values["dry-run"]

try {
  if (values["skip-tests"] && !isDryRun) throw new Error("only a dry run may skip the tests")
  const { version, problems, notes } = judgeRelease(await readState(), { isDryRun })
  for (const problem of problems) console.error(`release: ${problem}`)
  if (problems.length > 0) throw new Error(`${version} is not ready`)
  if (!values["skip-tests"]) await succeed("npm", ["run", "--silent", "test:all"])

  await rm(out, { recursive: true, force: true })
  await mkdir(out, { recursive: true })
  // `prepack` builds; the executables are made of the same commit.
  await succeed("npm", ["pack", "--silent", `--pack-destination=${out}`])
  const [archive] = await readdir(out)
  if (archive === undefined) throw new Error("npm pack made nothing")
  await succeed(process.execPath, ["scripts/build-exe.ts"])
  const executables = await readdir(join(root, "dist/exe"))
  for (const name of executables) await copyFile(join(root, "dist/exe", name), join(out, name))
  await writeFile(join(out, "SHA256SUMS"), await sums([archive, ...executables]))
  await writeFile(join(out, "NOTES.md"), `${notes}\n`)

  const dry = isDryRun ? ["--dry-run"] : []
  const tag = version.includes("-") ? "next" : "latest"
  await succeed("npm", [
    "publish",
    join(out, archive),
    "--provenance",
    "--access=public",
    `--tag=${tag}`,
    ...dry,
  ])
  console.log(
    isDryRun
      ? `release: ${version} would have been published; its files are in .cache/release`
      : `release: ${version} is published; the files for the release's page are in .cache/release`,
  )
} catch (error) {
  console.error(`release: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function readState(): Promise<ReleaseState> {
  const read = (file: string): Promise<string> => readFile(join(root, file), "utf8")
  const versionOf = async (file: string): Promise<string> =>
    (JSON.parse(await read(file)) as { version: string }).version
  const git = (...args: string[]): string[] =>
    execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\n").filter(Boolean)
  return {
    versions: {
      "package.json": await versionOf("package.json"),
      "package-lock.json": await versionOf("package-lock.json"),
      "src/base/version.ts": /version = "(.*)"/.exec(await read("src/base/version.ts"))?.[1] ?? "none",
    },
    changelog: await read("CHANGELOG.md"),
    uncommitted: git("status", "--porcelain").map((line) => line.slice(3)),
    tags: git("tag", "--points-at", "HEAD"),
  }
}

/** As `sha256sum --check` reads them. */
async function sums(names: readonly string[]): Promise<string> {
  const lines = await Promise.all(
    names.map(async (name) => {
      const content = await readFile(join(out, name))
      return `${createHash("sha256").update(content).digest("hex")}  ${name}\n`
    }),
  )
  return lines.join("")
}

async function succeed(command: string, args: readonly string[]): Promise<void> {
  const code = await run(command, args)
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}`)
}
