import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { text } from "node:stream/consumers"
import { after, test, type TestContext } from "node:test"
import { isPurserError } from "../../../src/base/errors.ts"
import { acquireLock } from "../../../src/base/lock.ts"
import { startEngineProxy } from "../../docker/support.ts"
import { imageWith, shellImage } from "../../support/base-image.ts"
import { cleanUp, docker, inspect, labels, run as runName } from "../../support/docker.ts"
import { assertNoLeaks, createMarker, processes as everyProcess } from "../../support/leaks.ts"
import { processes, type Processes } from "../../support/processes.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"

after(cleanUp)

const marker = createMarker()
const digest = createHash("sha256").update(marker).digest("hex")
const rest = ["--rm", "--network=none", ...labels]

async function stage(t: TestContext): Promise<Processes | null> {
  if (!(await requireService(t, "docker", "root", "busybox"))) return null
  const stage = await processes(t)
  await stage.purser(["secret", "set", "db-password"], marker)
  return stage
}

/** Names of directories in memory whose command has ended. Those of commands that other tests run meanwhile are locked. */
function left(): string[] {
  const all = ["/run/purser", "/dev/shm/purser"].flatMap((root) =>
    existsSync(root) ? readdirSync(root).map((name) => join(root, name)) : [],
  )
  return all.filter((path) => /\/[0-9a-f]{32}$/.test(path) && isUnlocked(path)).map((path) => basename(path))
}

function isUnlocked(directory: string): boolean {
  try {
    using _ = acquireLock(`${directory}.lock`, directory)
    if (existsSync(directory)) return true
    // Its command has removed it in this moment, and the lock's file with it.
    for (const file of [`${directory}.lock`, `${directory}.lock.pid`]) rmSync(file, { force: true })
    return false
  } catch (error) {
    if (isPurserError(error, "ERR_LOCKED")) return false
    throw error
  }
}

test("the secret is there before the container starts, for its user alone, and gone after its end", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const image = await imageWith(await shellImage(), "run-user", {}, ["USER app:other"])
  const script =
    "sha256sum < /run/secrets/db-password; ls -ln /run/secrets/db-password; ls -lnd /run/secrets; " +
    "echo x 2>/dev/null > /run/secrets/db-password || echo read-only; env; cat /proc/self/mountinfo; exit 42"
  const { code, stdout, stderr } = await home.run([
    "run",
    "-s",
    "db-password",
    "--env-file-style",
    "_FILE",
    "--",
    ...rest,
    "--cap-drop=ALL",
    "--read-only",
    image,
    "sh",
    "-c",
    script,
  ])
  assert.equal(code, 42, stderr)
  assert.match(stdout, new RegExp(digest))
  assert.match(stdout, /-r-------- +1 1000 +1001/)
  assert.match(stdout, /dr-x------ +2 1000 +1001/)
  assert.match(stdout, /^read-only$/m)
  assert.match(stdout, /^DB_PASSWORD_FILE=\/run\/secrets\/db-password$/m)
  assert.match(stdout, /\/run\/secrets ro.* tmpfs /)
  assertNoLeaks([marker], home.said)
  assert.deepEqual(left(), [])
})

test("each may lie where its image wants it, and hides nothing beside it", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const { code, stdout, stderr } = await home.run([
    "run",
    "-s",
    "db-password=/etc/tls.key",
    "--",
    ...rest,
    "--user=1001",
    await shellImage(),
    "sh",
    "-c",
    "id -u; sha256sum < /etc/tls.key; grep -c other /etc/passwd; ls /run",
  ])
  assert.equal(code, 0, stderr)
  assert.deepEqual(stdout.trim().split("\n"), ["1001", `${digest}  -`, "1"])
})

test("a name of a user is looked up in the image", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const image = await shellImage()
  const argv = (user: string) => [
    "run",
    "-s",
    "db-password",
    "--",
    ...rest,
    `--user=${user}`,
    image,
    "sha256sum",
    "/run/secrets/db-password",
  ]
  assert.match((await home.run(argv("db"))).stdout, new RegExp(digest))
  const { code, stderr } = await home.run(argv("nobody-here"))
  assert.equal(code, 1)
  assert.match(stderr, /the image has no user "nobody-here"\nhint: /)
  assert.deepEqual(left(), [])
})

test("standard input, standard output and signals are those of the container", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const image = await shellImage()
  const piped = await home.run(["run", "-s", "db-password", "--", ...rest, "-i", image, "tr", "a-z", "A-Z"], {
    input: "hello",
  })
  assert.equal(piped.stdout, "HELLO")
  for (const [signal, code] of [
    ["SIGTERM", 7],
    ["SIGINT", 8],
  ] as const) {
    const script = "trap 'exit 7' TERM; trap 'exit 8' INT; echo ready; while :; do sleep 0.1; done"
    const running = home.start(["run", "-s", "db-password", "--", ...rest, image, "sh", "-c", script])
    await running.wrote("stdout", /ready/)
    assert.equal(await running.stop(signal), code, signal)
  }
  assert.deepEqual(left(), [])
})

test("on a terminal the container has one too", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const image = await shellImage()
  const bin = new URL("../../../bin/purser.js", import.meta.url).pathname
  const command = [process.execPath, bin, "run", "-s", "db-password", "--", ...rest, "-it", image, "tty"]
  const child = spawn("script", ["--quiet", "--return", "--command", command.join(" "), "/dev/null"], {
    env: { ...process.env, PURSER_STATE: home.stateDir },
    stdio: ["pipe", "pipe", "inherit"],
  })
  const said = await text(child.stdout)
  child.stdin.end()
  assert.match(said, /\/dev\/(pts\/0|console)/)
})

test("others see neither the secret in inspect nor in any process's arguments or environment", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const name = `${runName}-seen`
  const image = await shellImage()
  const command = ["sh", "-c", "echo ready; while :; do sleep 0.1; done"]
  const running = home.start(["run", "-s", "db-password", "--", ...rest, "--name", name, image, ...command])
  await running.wrote("stdout", /ready/)
  const { Mounts } = await inspect<{
    Mounts: { Type: string; Source: string; Destination: string; RW: boolean }[]
  }>(name)
  assert.deepEqual(
    Mounts.map(({ Type, Destination, RW }) => ({ Type, Destination, RW })),
    [{ Type: "bind", Destination: "/run/secrets", RW: false }],
  )
  assertNoLeaks(
    [marker],
    [{ name: "inspect", content: await docker(["inspect", name]) }, ...(await everyProcess())],
  )
  await docker(["kill", name])
  assert.equal(await running.exited, 137)
  assert.deepEqual(left(), [])
})

test("the next command removes the directories of a killed one, but not while its container runs", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const name = `${runName}-killed`
  const image = await shellImage()
  const command = ["sh", "-c", "echo ready; while :; do sleep 0.1; done"]
  const running = home.start(["run", "-s", "db-password", "--", ...rest, "--name", name, image, ...command])
  await running.wrote("stdout", /ready/)
  // Not its "close": the docker command, which lives on, has its pipes.
  const killed = once(running.child, "exit")
  running.child.kill("SIGKILL")
  await killed
  const [id = ""] = left()
  assert.equal(left().length, 1)
  const next = ["run", "-s", "db-password", "--", ...rest, image, "true"]
  assert.equal((await home.run(next)).code, 0)
  assert.deepEqual(left(), [id], "its container runs")
  await docker(["kill", name])
  await waitFor(
    "the container's end",
    async () => (await docker(["ps", "-q", "--filter", `name=${name}`])) === "",
  )
  assert.equal((await home.run(next)).code, 0)
  assert.deepEqual(left(), [])
})

test("invalid arguments are refused before anything is started", async (t) => {
  const home = await stage(t)
  if (home === null) return
  const image = await imageWith(await shellImage(), "run-refused", {})
  const refusals: [argv: string[], message: RegExp][] = [
    [["-s", "nothing", "--", image], /no source has nothing\nhint: run purser secret set nothing/],
    [["-s", "../x", "--", image], /is not a name for a secret/],
    [["-s", "db-password=etc/x", "--", image], /is not a valid file path/],
    [["-s", "db-password=/a/../x", "--", image], /is not a valid file path/],
    [["-s", "db-password", "-s", "db-password", "--", image], /have conflicting paths/],
    [["-s", "db-password", "--", "-d", image], /--detach/],
    [["-s", "db-password", "--", "--restart=always", image], /--restart/],
    [["-s", "db-password", "--"], /missing required argument|no image/],
    [["-s", "db-password", "--env-file-style", "x", "--", image], /is not a valid suffix of a variable/],
    [["--", image], /required option|-s, --secret/],
    [["-s", "db-password", "--", "purser-test/not-there:1"], /docker pull/],
  ]
  for (const [argv, message] of refusals) {
    const { code, stderr } = await home.run(["run", ...argv])
    assert.notEqual(code, 0, argv.join(" "))
    assert.match(stderr, message)
  }
  const remote = await home.run(["run", "-s", "db-password", "--", image], {
    env: { DOCKER_HOST: "tcp://127.0.0.1:1" },
  })
  assert.equal(remote.code, 4, remote.stderr)
  // The same engine by TCP, which counts as another machine.
  const far = await startEngineProxy(t, { host: "127.0.0.1" })
  const elsewhere = await home.run(["run", "-s", "db-password", "--", image], {
    env: { DOCKER_HOST: far.address },
  })
  assert.equal(elsewhere.code, 1)
  assert.match(
    elsewhere.stderr,
    /cannot mount a directory of this process: it runs on another machine.*\nhint: .*purser cp/,
  )
  assert.deepEqual(left(), [])
  assert.equal(await docker(["ps", "--all", "--quiet", `--filter=ancestor=${image}`]), "")
})
