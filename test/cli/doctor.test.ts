import assert from "node:assert/strict"
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { createIdentity } from "../../src/channel/identity.ts"
import { rules } from "../../src/doctor/finding.ts"
import { startEngineProxy } from "../docker/support.ts"
import { imageWith, shellImage, shelllessImage } from "../support/base-image.ts"
import { cleanUp, docker, run, startContainer } from "../support/docker.ts"
import { assertNoLeaks, createMarker } from "../support/leaks.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { purser } from "./purser.ts"

after(cleanUp)

/** A secret that the test puts where doctor must find it. */
const marker = createMarker({ planted: true })

interface Line {
  readonly rule: string
  readonly level: string
  readonly subject: { readonly kind: string; readonly name: string }
  readonly message: string
  readonly fix: string
}

function linesOf(stdout: string): Line[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
}

test("finds what leaks in a container and its image, and shows no value", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const directory = await tempDir(t)
  await chmod(directory, 0o755)
  await writeFile(join(directory, "server.key"), createIdentity().keyPem)
  await chmod(join(directory, "server.key"), 0o644)
  const image = await imageWith(await shellImage(), "leaky", {}, [
    `ENV IMAGE_PASSWORD=${marker}`,
    `ENV FORMER_PASSWORD=${marker}-former`,
    "ENV FORMER_PASSWORD=",
    `LABEL maintainer.token=${marker}`,
    `HEALTHCHECK CMD tool --password=${marker}`,
  ])
  const options = [
    `--name=${run}-leaky`,
    `--env=DB_PASSWORD=${marker}`,
    `--env=DB_PASSWORD_FILE=/run/secrets/db`,
    `--label=api-key=${marker}`,
    `--label=purser.files=db`,
    `--volume=${directory}:/keys:ro`,
  ]
  await startContainer(t, image, ["sh", "-c", `: --token ${marker}; sleep 60`], ["--init", ...options])
  const { code, stdout, stderr } = await purser(["doctor", "--container", `${run}-leaky`, "--json"], {
    cwd: directory,
  })
  assert.equal(code, 1, stderr)
  const found = linesOf(stdout).map(({ subject, level, rule }) => `${subject.kind}: ${level} ${rule}`)
  assert.deepEqual(found.toSorted(), [
    "container: error readable-key",
    "container: error secret-in-command",
    "container: error secret-in-environment",
    "container: error secret-in-label",
    "container: warning no-tmpfs",
    "image: error secret-in-environment",
    "image: error secret-in-health-check",
    "image: error secret-in-history",
    "image: error secret-in-label",
  ])
  const text = await purser(["doctor", "--container", `${run}-leaky`], { cwd: directory })
  assert.match(text.stdout, new RegExp(`^container ${run}-leaky\n  error: .*DB_PASSWORD.*\n    fix: `, "m"))
  const sarif = await purser(["doctor", "--image", image, "--sarif"], { cwd: directory })
  const { version, runs } = JSON.parse(sarif.stdout) as {
    version: string
    runs: [
      { tool: { driver: { rules: { id: string }[] } }; results: { ruleId: string; ruleIndex: number }[] },
    ]
  }
  assert.equal(version, "2.1.0")
  assert.equal(runs[0].results.length, 4)
  for (const { ruleId, ruleIndex } of runs[0].results)
    assert.equal(runs[0].tool.driver.rules[ruleIndex]?.id, ruleId)
  assertNoLeaks(
    [marker],
    [stdout, stderr, text.stdout, text.stderr, sarif.stdout, sarif.stderr].map((content, index) => ({
      name: `output ${index}`,
      content,
    })),
  )
})

test("a clean container has no finding, and the exit code is 0", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const cwd = await tempDir(t)
  const options = ["--init", `--name=${run}-clean`, "--tmpfs=/run/secrets", "--label=purser.files=db"]
  await startContainer(t, await shellImage(), ["sleep", "60"], options)
  const { code, stdout, stderr } = await purser(["doctor", "--container", `${run}-clean`], { cwd })
  assert.deepEqual({ code, stdout }, { code: 0, stdout: "" })
  assert.match(stderr, /nothing was found/)
})

test("reports containers whose app purser.yaml does not grant them", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const cwd = await tempDir(t)
  const options = ["--init", `--name=${run}-vain`, "--tmpfs=/run/secrets", "--label=purser.app=web"]
  await startContainer(t, await shellImage(), ["sleep", "60"], options)
  const argv = ["doctor", "--container", `${run}-vain`, "--json", "--fail-on", "warning"]
  assert.equal((await purser(argv, { cwd })).code, 0, "without purser.yaml nothing is known of apps")
  const config = (image: string): string =>
    JSON.stringify({
      secrets: { a: "store" },
      apps: { web: { secrets: ["a"], containers: { image: [image] } } },
    })
  await writeFile(join(cwd, "purser.yaml"), config(`sha256:${"0".repeat(64)}`))
  const { code, stdout } = await purser(argv, { cwd })
  assert.equal(code, 1)
  const [finding, ...others] = linesOf(stdout)
  assert.deepEqual(others, [])
  assert.equal(finding?.rule, "asks-in-vain")
  const id = await docker(["image", "inspect", "--format={{.Id}}", await shellImage()])
  assert.ok(finding.fix.includes(id), "the line to paste")
  await writeFile(join(cwd, "purser.yaml"), config(id))
  assert.equal((await purser(argv, { cwd })).code, 0)
})

test("over plain TCP the engine is the finding; and a shell is missed where only exec is left", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const cwd = await tempDir(t)
  const far = await startEngineProxy(t, { host: "127.0.0.1" })
  const env = { DOCKER_HOST: far.address }
  const options = [`--name=${run}-shellless`, "--tmpfs=/run/secrets", "--label=purser.files=db"]
  await startContainer(t, await shelllessImage(), ["node", "-e", "setInterval(() => {}, 1e9)"], options)
  const one = await purser(["doctor", "--container", `${run}-shellless`, "--json"], { cwd, env })
  assert.deepEqual(
    linesOf(one.stdout).map(({ rule, level }) => `${level} ${rule}`),
    ["warning no-shell"],
  )
  const all = await purser(["doctor", "--json"], { cwd, env })
  assert.equal(all.code, 1)
  const engine = linesOf(all.stdout).filter(({ subject }) => subject.kind === "engine")
  assert.ok(engine.some(({ rule }) => rule === "plain-tcp"))
})

test("a Compose file needs no engine", async (t) => {
  const cwd = await tempDir(t)
  await writeFile(join(cwd, "compose.yaml"), `services: { web: { environment: { API_KEY: ${marker} } } }\n`)
  const env = { DOCKER_HOST: "unix:///nonexistent" }
  const { code, stdout } = await purser(["doctor", "--file", "compose.yaml"], { cwd, env })
  assert.equal(code, 1)
  assert.match(stdout, /^compose file compose\.yaml\n {2}error: .*API_KEY.* \(line 1\)\n {4}fix: /)
  assert.ok(!stdout.includes(marker))
  const sarif = await purser(["doctor", "--file", "compose.yaml", "--sarif"], { cwd, env })
  assert.match(sarif.stdout, /"startLine": 1/)
  await mkdir(join(cwd, "a b"))
  await writeFile(join(cwd, "a b/c.yaml"), "services: { web: { env_file: c.env } }\n")
  await writeFile(join(cwd, "a b/c.env"), `\nAPI_KEY=${marker}\n`)
  const beside = await purser(["doctor", "--file", "a b/c.yaml"], { cwd, env })
  assert.match(beside.stdout, /API_KEY.* \(a b\/c\.env:2\)\n/)
  const named = await purser(["doctor", "--file", "a b/c.yaml", "--sarif"], { cwd, env })
  assert.match(named.stdout, /"uri": "a%20b\/c\.env"/)
  assertNoLeaks([marker], [{ name: "outputs", content: sarif.stdout + beside.stdout + named.stdout }])
})

test("an object that does not exist and conflicting flags are errors with a hint", async (t) => {
  const cwd = await tempDir(t)
  const cases: [argv: string[], code: number, message: RegExp][] = [
    [["--file", "nothing.yaml"], 2, /there is no nothing\.yaml/],
    [["--file", "x", "--image", "y"], 2, /exclude each other/],
    [["--json", "--sarif"], 2, /exclude each other/],
    [["--fail-on", "never"], 2, /fail-on/],
  ]
  for (const [argv, code, message] of cases) {
    const result = await purser(["doctor", ...argv], { cwd })
    assert.equal(result.code, code, argv.join(" "))
    assert.match(result.stderr, message)
  }
  if (!(await requireService(t, "docker"))) return
  assert.match((await purser(["doctor", "--container", "not-there"], { cwd })).stderr, /not-there/)
  assert.match((await purser(["doctor", "--image", "not/there:1"], { cwd })).stderr, /not\/there/)
})

test("the guide names every rule", async () => {
  const guide = await readFile(new URL("../../docs/doctor.md", import.meta.url), "utf8")
  for (const rule of Object.keys(rules)) assert.ok(guide.includes(`\`${rule}\``), rule)
})
