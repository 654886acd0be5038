import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { after, test } from "node:test"
import { imageWith, node22Image, shellImage } from "../support/base-image.ts"
import {
  cleanUp,
  docker,
  DockerError,
  inspect,
  network,
  startContainer,
  tmpfsVolume,
} from "../support/docker.ts"
import { assertNoLeaks, createMarker } from "../support/leaks.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"
import {
  addressOf,
  home,
  logged,
  logs,
  onlookersView,
  purserImage,
  receiver,
  waitForExit,
} from "./support.ts"

/** Nodes and agents in containers of their own, started with plain `docker run`. */

after(cleanUp)

const digest = (text: string): string => createHash("sha256").update(text).digest("hex")
/** What the documentation tells to run a container with. */
const confined = ["--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--read-only"]

test("the image runs the program, a node by default, and has a health check that starts counting at once", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "build"))) return
  const image = await purserImage()
  const once = (...args: string[]) => docker(["run", "--rm", "--network=none", ...args])
  const version = JSON.parse(
    await docker(["run", "--rm", "--entrypoint=cat", image, "/opt/purser/package.json"]),
  ) as { version: string }
  assert.equal(await once(image, "--version"), version.version)
  await assert.rejects(once(image), (error: DockerError) => /no enrolment string/.test(error.stderr))
  const { Config } = await inspect<{
    Config: { Healthcheck: Record<string, unknown>; ExposedPorts: object; Volumes: object; User: string }
  }>(image)
  assert.equal(Config.Healthcheck["Interval"], 2_000_000_000)
  assert.equal(Config.Healthcheck["StartPeriod"] ?? 0, 0)
  assert.deepEqual(Object.keys(Config.ExposedPorts), ["39898/tcp"])
  assert.deepEqual(Object.keys(Config.Volumes), ["/var/lib/purser"])
  const history = await docker(["image", "history", "--no-trunc", "--format={{.CreatedBy}}", image])
  assert.match(history, /COPY dir/)
  assert.doesNotMatch(history, /RUN|\/bin\/sh -c (?!#\(nop\))/, "nothing is run to build it")
})

test("a confined agent that is root gives files to another user, and only with its three capabilities", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "build"))) return
  const image = await purserImage()
  const volume = await tmpfsVolume("owned", "uid=999,mode=0700,size=1m")
  // What is in memory is gone with the last container that uses it.
  const sleep = ["sh", "-c", "trap exit TERM; sleep 3600 & wait"]
  const own = ["--user=999", "--volume", `${volume}:/out`]
  const holder = await startContainer(t, await shellImage(), sleep, own)
  const marker = createMarker({ planted: true }) // by the operator, in the environment
  const agent = ["--volume", `${volume}:/out`, "--tmpfs=/var/lib/purser:mode=0700", "--env=PASSWORD"]
  const config = `{ secrets: { a: { env: PASSWORD } }, apps: { db: { secrets: [a], directory: /out, files: [a mode=0440 owner=999:1000] } } }`
  const configured = await imageWith(image, "configured", { "etc/purser.yaml": config })
  const round = (...options: string[]): Promise<string> =>
    docker(
      [
        "run",
        "--rm",
        ...confined,
        ...agent,
        ...options,
        configured,
        "agent",
        "--once",
        "--config=/etc/purser.yaml",
      ],
      {
        env: { PASSWORD: marker },
      },
    )
  await assert.rejects(round(), (error: DockerError) =>
    /not permitted|denied/.test(error.stdout + error.stderr),
  )
  assert.match(await round("--cap-add=CHOWN", "--cap-add=DAC_OVERRIDE", "--cap-add=FOWNER"), /sent a/)
  const look = "stat -c %a:%u:%g /out/a; cat /out/a; echo; ls -A /out"
  assert.equal(
    await docker(["exec", holder, "sh", "-c", look]),
    `440:999:1000\n${marker}\na`,
    "the file is there, and no temporary file",
  )
})

test("exec mode as process 1: starts the command with its secret, reloads it, and ends as it does", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "build"))) return
  const since = Date.now()
  const at = await home(t)
  const [first, second] = [createMarker(), createMarker()]
  await at.purser(["secret", "set", "db-password"], first)
  const enrolment = (await at.purser(["enrol", "web"])).trim()
  const command = `trap 'echo reloaded with $(sha256sum < /run/secrets/db-password)' HUP
    trap 'exit 7' TERM
    echo started with $(sha256sum < /run/secrets/db-password)
    env | grep PURSER_ && echo its environment has our variables
    while :; do sleep 3600 & wait $!; done`
  const start = async (...options: string[]): Promise<string> => {
    const flags = ["node", "--file", "db-password", "--reload", "HUP", "--", "sh", "-c", command]
    const environment = ["--env", `PURSER_ENROL=${enrolment}`]
    const own = ["--user=1000:1000", "--tmpfs=/run/secrets:uid=1000,gid=1000,mode=0700"]
    const id = await startContainer(t, await purserImage(), flags, [
      ...confined,
      ...environment,
      ...own,
      ...options,
    ])
    await logged(id, /listening on/)
    return id
  }
  const [plain, withInit] = await Promise.all([start(), start("--init")])
  const advice = /running as process 1 without an init/g
  assert.equal((await logs(plain)).match(advice)?.length, 1, "it says once that --init is advisable")
  assert.doesNotMatch(await logs(withInit), advice)
  assert.doesNotMatch(await logs(plain), /started with/, "the command waits for its secret")

  const flags = ["--app", "web", "--secret", "db-password"]
  for (const id of [plain, withInit]) flags.push("--node", await addressOf(id))
  assert.equal((await at.round(...flags)).code, 0)
  for (const id of [plain, withInit]) await logged(id, new RegExp(`started with ${digest(first)}`))

  await at.purser(["secret", "set", "db-password"], second)
  assert.equal((await at.round(...flags)).code, 0)
  for (const id of [plain, withInit]) await logged(id, new RegExp(`reloaded with ${digest(second)}`))

  await docker(["kill", "--signal=HUP", plain])
  await waitFor(
    "a signal that was passed on",
    async () => (await logs(plain)).match(/reloaded/g)?.length === 2,
  )
  const view = await onlookersView([plain, withInit], since)
  assertNoLeaks([first, second], view)
  for (const id of [plain, withInit]) {
    assert.doesNotMatch(await logs(id), /its environment has our variables/)
    await docker(["stop", "--time=20", id])
    assert.equal(await waitForExit(id), 7, "the exit code is the command's own")
  }
})

test("the one-file receiver in an image that has Node 22.0 and nothing of ours", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "node22", "build"))) return
  const at = await home(t)
  const marker = createMarker()
  await at.purser(["secret", "set", "api/key"], marker)
  const enrolment = (await at.purser(["enrol", "web"])).trim()
  const mounts = ["--volume", `${receiver}:/purser-node.mjs:ro`, "--tmpfs=/run/secrets:mode=0777"]
  const node = await startContainer(
    t,
    await node22Image(),
    ["node", "/purser-node.mjs", "--status=/tmp/status.json"],
    ["--env", `PURSER_ENROL=${enrolment}`, ...mounts, "--user=1000:1000"],
  )
  await logged(node, /listening on/)
  const healthy = (): Promise<string> =>
    docker(["exec", node, "node", "/purser-node.mjs", "health", "--status=/tmp/status.json"])
  await assert.rejects(healthy(), (error: DockerError) => error.exitCode === 1)
  const { code, lines } = await at.round("--app=web", "--secret=api/key", "--node", await addressOf(node))
  assert.equal(code, 0, JSON.stringify(lines))
  assert.equal(await docker(["exec", node, "cat", "/run/secrets/api/key"]), marker)
  await healthy()
})

test("a node where there is no IPv6 listens on IPv4", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "build"))) return
  const at = await home(t)
  await at.purser(["secret", "set", "a"], "b")
  const enrolment = (await at.purser(["enrol", "web"])).trim()
  const start = async (...options: string[]): Promise<string> => {
    const own = ["--env", `PURSER_ENROL=${enrolment}`, "--tmpfs=/run/secrets", ...options]
    const id = await startContainer(t, await purserImage(), [], own)
    await logged(id, /listening on/)
    return id
  }
  const net = await network("four", ["--internal"])
  const sysctls = [
    "--sysctl=net.ipv6.conf.all.disable_ipv6=1",
    "--sysctl=net.ipv6.conf.default.disable_ipv6=1",
  ]
  const node = await start(`--network=${net}`, ...sysctls)
  assert.equal((await at.round("--app=web", "--secret=a", "--node", await addressOf(node))).code, 0)
})

test("an image without Node has a node beside it, which shares a directory in memory", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "build"))) return
  const since = Date.now()
  const at = await home(t)
  const [first, second] = [createMarker(), createMarker()]
  await at.purser(["secret", "set", "db-password"], first)
  const enrolment = (await at.purser(["enrol", "web"])).trim()
  const volume = await tmpfsVolume("beside", "uid=1000,mode=0700,size=1m")
  const node = await startContainer(
    t,
    await purserImage(),
    ["node"],
    [
      ...confined,
      "--user=1000:1000",
      "--env",
      `PURSER_ENROL=${enrolment}`,
      "--volume",
      `${volume}:/run/secrets`,
    ],
  )
  await logged(node, /listening on/)
  const health = (): Promise<string> => docker(["inspect", "--format={{.State.Health.Status}}", node])
  assert.notEqual(await health(), "healthy")
  const app = await startContainer(
    t,
    await shellImage(),
    ["sh", "-c", "trap exit TERM; sleep 3600 & wait"],
    ["--user=1000:1000", "--volume", `${volume}:/run/secrets:ro`],
  )
  const round = async (): Promise<void> => {
    const { code, lines } = await at.round(
      "--app=web",
      "--secret=db-password",
      "--node",
      await addressOf(node),
    )
    assert.equal(code, 0, JSON.stringify(lines))
  }
  const read = (): Promise<string> => docker(["exec", app, "cat", "/run/secrets/db-password"])
  await round()
  assert.equal(await read(), first)
  await waitFor("the health check", async () => (await health()) === "healthy")
  await at.purser(["secret", "set", "db-password"], second)
  await round()
  assert.equal(await read(), second)
  assertNoLeaks([first, second], await onlookersView([node, app], since))
})
