import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { parse } from "yaml"
import { copyRepository } from "../support/repository.ts"
import { tempDir } from "../support/temp.ts"

const run = promisify(execFile)
const root = resolve(import.meta.dirname, "../..")

test("a dry run packs and lists what would be published, and asks no registry", async (t) => {
  const clone = await tempDir(t)
  await copyRepository(clone)
  // Bringing Node and making executables has a test of its own.
  await writeFile(
    join(clone, "scripts/build-exe.ts"),
    'import { mkdirSync, writeFileSync } from "node:fs"; mkdirSync("dist/exe"); writeFileSync("dist/exe/purser-linux-x64", "")',
  )
  const git = (...args: string[]) =>
    run("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], { cwd: clone })
  await git("init", "--quiet")
  await writeFile(join(clone, ".git/info/exclude"), "node_modules\n")
  await git("add", "--all")
  await git("commit", "--quiet", "--message=all")
  const env = {
    ...process.env,
    HOME: await tempDir(t),
    npm_config_registry: "http://127.0.0.1:9",
    npm_config_fetch_retries: "0",
    npm_config_update_notifier: "false",
  }
  const release = (...args: string[]) =>
    run(process.execPath, ["scripts/release.ts", "--dry-run", ...args], {
      cwd: clone,
      env,
      maxBuffer: 2 ** 26,
    })

  const { stdout, stderr } = await release("--skip-tests")
  assert.match(stdout, /would have been published/, stderr)
  const names = await readdir(join(clone, ".cache/release"))
  assert.deepEqual(names.sort(), ["NOTES.md", "SHA256SUMS", "purser-0.1.0.tgz", "purser-linux-x64"])
  await run("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: join(clone, ".cache/release") })

  await writeFile(join(clone, "README.md"), "changed")
  await assert.rejects(release("--skip-tests"), /README\.md is not committed\nrelease: .* is not ready/)
})

test("nothing is published without the tests", async () => {
  await assert.rejects(
    run(process.execPath, [join(root, "scripts/release.ts"), "--skip-tests"]),
    /only a dry run may skip/,
  )
})

test("the code host runs what a build server runs, and releases by the script", async () => {
  const steps = async (name: string) => {
    const workflow = parse(await readFile(join(root, ".github/workflows", name), "utf8")) as {
      permissions: Record<string, string>
      jobs: Record<string, { steps: { run?: string }[] }>
    }
    return {
      ...workflow,
      runs: Object.values(workflow.jobs).flatMap((job) => job.steps.map((step) => step.run ?? "")),
    }
  }
  const ci = await steps("ci.yml")
  assert.ok(ci.runs.includes("bash .ci/run"))
  assert.deepEqual(ci.permissions, { contents: "read" })
  const release = await steps("release.yml")
  assert.ok(release.runs.includes("npm run release"))
  assert.equal(release.permissions["id-token"], "write")
})
