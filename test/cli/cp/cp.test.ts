import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { shellImage, shelllessImage } from "../../support/base-image.ts"
import { cleanUp, docker, run, startContainer } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { processes } from "../../support/processes.ts"
import { requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"
import { waitFor } from "../../support/wait.ts"
import { bin, purser, type RunResult } from "../purser.ts"

after(cleanUp)

let made = 0

/** Its name. It has a tmpfs for secrets unless the options say otherwise. */
async function container(
  t: TestContext,
  { options = ["--tmpfs=/run/secrets"], command = idle } = {},
): Promise<string> {
  const name = `${run}-${++made}`
  await startContainer(t, await shellImage(), command, ["--init", `--name=${name}`, ...options])
  return name
}

const idle = ["sleep", "300"]
const needed = ["docker", "busybox"] as const

async function cp(t: TestContext, argv: readonly string[], input = ""): Promise<RunResult> {
  return await purser(["cp", ...argv], { cwd: await tempDir(t), input })
}

async function content(name: string, path: string): Promise<string> {
  return await docker(["exec", name, "cat", path])
}

test("copies files into a directory, and standard input under a name", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const name = await container(t)
  const [key, certificate, piped] = [createMarker(), createMarker(), createMarker()]
  const directory = await tempDir(t)
  await writeFile(join(directory, "tls.key"), key)
  await writeFile(join(directory, "tls.crt"), certificate)
  const files = ["tls.key", "tls.crt"].map((file) => join(directory, file))
  const first = await cp(t, [...files, `${name}:/run/secrets/www/`])
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, new RegExp(`^CONTAINER +ROUTE +RESULT\n${name} +\\w+ +2 written\n$`))
  assert.equal(await content(name, "/run/secrets/www/tls.key"), key)
  assert.equal(await content(name, "/run/secrets/www/tls.crt"), certificate)
  const again = await cp(t, [...files, `${name}:/run/secrets/www/`])
  assert.match(again.stdout, / 2 unchanged\n/)
  const id = await docker(["inspect", "--format={{.Id}}", name])
  assert.equal((await cp(t, ["-", `${id.slice(0, 12)}:/run/secrets/x`], piped)).code, 0)
  assert.equal(await content(name, "/run/secrets/x"), piped)
})

test("copies the output of purser secret get", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const name = await container(t)
  const home = await processes(t)
  const stored = createMarker()
  await home.purser(["secret", "set", "x"], stored)
  const pipe = `"$0" "$1" secret get x | "$0" "$1" cp - ${name}:/run/secrets/x`
  const child = spawn("sh", ["-c", pipe, process.execPath, bin], {
    env: { ...process.env, PURSER_STATE: home.stateDir },
    stdio: "ignore",
  })
  assert.deepEqual(await once(child, "close"), [0, null])
  assert.equal(await content(name, "/run/secrets/x"), stored)
})

test("mode and owner are as asked; else only the container's own user may read", async (t) => {
  if (!(await requireService(t, ...needed, "root"))) return
  const name = await container(t, { options: ["--tmpfs=/run/secrets:mode=1777", "--user=app:other"] })
  const seen = async (path: string): Promise<string[]> =>
    (await docker(["exec", name, "ls", "-ln", path]))
      .split(/\s+/)
      .filter((_, index) => [0, 2, 3].includes(index))
  await cp(t, ["-", `${name}:/run/secrets/own`], "x")
  assert.deepEqual(await seen("/run/secrets/own"), ["-r--------", "1000", "1001"])
  await cp(t, ["-", `${name}:/run/secrets/asked`, "--mode", "640", "--owner", "db:nobody"], "x")
  assert.deepEqual(await seen("/run/secrets/asked"), ["-rw-r-----", "999", "65534"])
})

test("chooses by label and by Compose service, and one that fails does not stop the rest", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const label = `--label=${run}=cp`
  const service = ["--label=com.docker.compose.project=shop", "--label=com.docker.compose.service=web"]
  const memory = "--tmpfs=/run/secrets"
  const [one, two, disk] = [
    await container(t, { options: [memory, label, ...service] }),
    await container(t, { options: [memory, label] }),
    await container(t, { options: [label] }),
  ]
  const toAll = createMarker()
  const all = await cp(t, ["-", ":/run/secrets/x", "--label", `${run}=cp`, "--json"], toAll)
  assert.equal(all.code, 1)
  assert.match(all.stderr, /1 of 3 containers did not get the files/)
  const lines = all.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    new Map(lines.map(({ container: name, status }) => [name, status])),
    new Map([
      [one, "ok"],
      [two, "ok"],
      [disk, "failed"],
    ]),
  )
  const error = lines.find(({ container: name }) => name === disk)?.["error"]
  assert.ok(error instanceof Object && "code" in error)
  assert.equal(error.code, "ERR_DISK")
  for (const name of [one, two]) assert.equal(await content(name, "/run/secrets/x"), toAll)
  const both = ["--label", `${run}=cp`, "--compose-service", "shop/web"]
  const table = await cp(t, ["-", ":/run/secrets/y", ...both], "to one")
  assert.equal(table.code, 0, table.stderr)
  assert.match(table.stdout, new RegExp(`^CONTAINER.*\n${one} .*\n$`))
  const none = await cp(t, ["-", ":/run/secrets/y", "--label", `${run}=nobody`], "x")
  assert.match(none.stderr, /no running container has .*\nhint: /)
  assert.equal(none.code, 1)
})

test("reloads a container with a new file, and after a restart the file is there again", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const script = "trap 'echo reloaded >> /run/secrets/log' HUP; while :; do sleep 0.1; done"
  const name = await container(t, { command: ["sh", "-c", script] })
  const hup = async () => await cp(t, ["-", `${name}:/run/secrets/x`, "--reload", "HUP"], "one")
  assert.match((await hup()).stdout, / 1 written, reloaded/)
  assert.match((await hup()).stdout, / 1 unchanged\n/, "nothing new, no reload")
  const command = ["--reload", "exec:cp /run/secrets/x /run/secrets/copy"]
  assert.equal((await cp(t, ["-", `${name}:/run/secrets/x`, ...command], "two")).code, 0)
  assert.equal(await content(name, "/run/secrets/copy"), "two")
  const failing = await cp(t, ["-", `${name}:/run/secrets/x`, "--reload", "exec:exit 3"], "three")
  assert.equal(failing.code, 1)
  assert.match(failing.stderr, /the reload exec:exit 3 .* exit code 3/)
  const before = await docker(["inspect", "--format={{.State.StartedAt}}", name])
  const four = createMarker()
  const restarted = await cp(t, ["-", `${name}:/run/secrets/x`, "--reload", "restart"], four)
  assert.equal(restarted.code, 0, restarted.stderr)
  assert.notEqual(await docker(["inspect", "--format={{.State.StartedAt}}", name]), before)
  assert.equal(await content(name, "/run/secrets/x"), four)
})

test("a disk is refused with a hint; --allow-disk writes and warns", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const name = await container(t, { options: [] })
  const refused = await cp(t, ["-", `${name}:/tmp/x`], "not a secret")
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /\/tmp\/x would lie on a disk\nhint: .*tmpfs/)
  assert.equal(await docker(["exec", name, "ls", "/tmp"]), "")
  const allowed = await cp(t, ["-", `${name}:/tmp/x`, "--allow-disk"], "not a secret")
  assert.equal(allowed.code, 0, allowed.stderr)
  assert.match(allowed.stderr, /lies on a disk/)
  assert.equal(await content(name, "/tmp/x"), "not a secret")
  assert.equal((await cp(t, ["-", `${name}:/tmp/y`, "--route", "exec", "--require-tmpfs"], "x")).code, 3)
})

test("an obstacle is named and stays, and no other file of the set is written", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const name = await container(t)
  const directory = await tempDir(t)
  for (const file of ["a", "b"]) await writeFile(join(directory, file), createMarker())
  await docker(["exec", name, "mkdir", "/run/secrets/b"])
  for (const route of ["auto", "exec"]) {
    const files = ["a", "b"].map((file) => join(directory, file))
    const { code, stderr } = await cp(t, [...files, `${name}:/run/secrets/`, "--route", route])
    assert.notEqual(code, 0)
    assert.match(stderr, /\/run\/secrets\/b\b.*director.*\nhint: /)
    assert.equal(await docker(["exec", name, "ls", "-A", "/run/secrets", "/run/secrets/b"]), present)
  }
})

const present = "/run/secrets:\nb\n\n/run/secrets/b:"

test("Ctrl-C in the middle ends it, and leaves nothing in the container", async (t) => {
  if (!(await requireService(t, ...needed, "root"))) return
  const name = await container(t)
  const pid = await docker(["inspect", "--format={{.State.Pid}}", name])
  const names = (): string[] => readdirSync(`/proc/${pid}/root/run/secrets`)
  const home = await processes(t)
  const files = ["a", "b", "c"].map((file) => join(home.base, file))
  for (const file of files) await writeFile(file, createMarker().repeat(300_000))
  for (const route of ["proc", "exec"]) {
    const copying = home.start(["cp", ...files, `${name}:/run/secrets/`, "--route", route])
    await waitFor("a part of it", () => names().length > 0, { everyMs: 1 })
    assert.equal(await copying.stop("SIGINT"), 130, `${route}: ${copying.stderr}`)
    // By the route exec it is the shell in the container that tidies up, when nobody speaks to it any more.
    await waitFor("an empty directory", () => names().length === 0)
  }
})

test("--verbose explains the choice of the route, and why another cannot work", async (t) => {
  if (!(await requireService(t, ...needed, "root"))) return
  const name = `${run}-${++made}`
  await startContainer(
    t,
    await shelllessImage(),
    ["node", "-e", "setInterval(() => {}, 1e9)"],
    [
      "--read-only",
      "--user=1000",
      "--cap-drop=ALL",
      "--tmpfs=/run/secrets:uid=1000,mode=0700",
      `--name=${name}`,
    ],
  )
  const auto = await cp(t, ["-", `${name}:/run/secrets/x`, "--verbose"], "x")
  assert.equal(auto.code, 0, auto.stderr)
  assert.match(auto.stderr, new RegExp(`${name}: proc: through its process's root`))
  const exec = await cp(t, ["-", `${name}:/run/secrets/x`, "--route", "exec"], "y")
  assert.equal(exec.code, 1)
  assert.match(exec.stderr, /route exec cannot work for .*: there is no sh in it\nhint: /)
  const volume = await cp(t, ["-", `${name}:/run/secrets/x`, "--route", "volume"], "y")
  assert.match(volume.stderr, /route volume cannot work for .*--tmpfs mount/)
})

test("refuses containers that are gone, stopped or paused", async (t) => {
  if (!(await requireService(t, ...needed))) return
  const name = await container(t)
  const to = (...flags: string[]) => cp(t, ["-", `${name}:/run/secrets/x`, ...flags], "x")
  const gone = await cp(t, ["-", `${run}-gone:/run/secrets/x`], "x")
  assert.equal(gone.code, 1)
  assert.match(gone.stderr, new RegExp(`${run}-gone`))
  await docker(["pause", name])
  const paused = await to("--route", "exec")
  await docker(["unpause", name])
  assert.match(paused.stderr, /is paused\nhint: .*unpause/)
  await docker(["stop", "--time=0", name])
  assert.match((await to()).stderr, /is not running .*\nhint: /)
})

test("refuses conflicting flags before it connects to the engine", async (t) => {
  const cwd = await tempDir(t)
  await writeFile(join(cwd, "a"), "a")
  const cases: [argv: string[], message: RegExp][] = [
    [[], /needs a file and a destination/],
    [["a"], /needs a file and a destination/],
    [["a", "web"], /no colon/],
    [["a", ":/x"], /names no container/],
    [["a", "web:/x", "--label", "k=v"], /web is named too/],
    [["a", "a", "web:/x/"], /two of the files/],
    [["-", "web:/x/"], /has no file name/],
    [["-", "-", "web:/x"], /cannot all/],
    [["-", "web:/x"], /standard input is empty/],
    [["nothing", "web:/x"], /there is no file/],
    [[".", "web:/x"], /not a regular file/],
    [["a", "web:/x", "--mode", "9"], /octal/],
    [["a", "web:/x", "--route", "magic"], /route/],
    [["a", "web:/x", "--reload", "nonsense thing"], /reload/],
    [["a", "web:/x", "--require-tmpfs", "--allow-disk"], /exclude each other/],
    [["a", "web:/x", "--isolate"], /--isolate has no meaning without --route pull/],
    [["a", ":/x", "--compose-service", "web"], /PROJECT\/NAME/],
    [["--route", "pull", "--print-receiver", "a"], /takes no file/],
    [["--route", "pull", "--once-url", "a", "web:/x"], /takes a destination without a container/],
  ]
  for (const [argv, message] of cases) {
    const { code, stdout, stderr } = await purser(["cp", ...argv], {
      cwd,
      env: { DOCKER_HOST: "unix:///nonexistent" },
    })
    assert.ok(code === 2 || code === 1, `${argv.join(" ")}: ${code} ${stderr}`)
    assert.match(stderr, message)
    assert.equal(stdout, "")
  }
  const away = await purser(["cp", "a", "web:/x"], { cwd, env: { DOCKER_HOST: "unix:///nonexistent" } })
  assert.equal(away.code, 4)
  assert.match(away.stderr, /cannot be reached.*\nhint: /)
})

test("prints the receiver, which is a shell's program", async (t) => {
  if (!(await requireService(t, "busybox"))) return
  const { code, stdout } = await cp(t, ["--route", "pull", "--print-receiver"])
  assert.equal(code, 0)
  const check = spawn("busybox", ["sh", "-n"], { stdio: ["pipe", "ignore", "inherit"] })
  check.stdin.end(stdout)
  assert.deepEqual(await once(check, "close"), [0, null])
})
