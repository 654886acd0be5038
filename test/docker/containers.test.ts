import assert from "node:assert/strict"
import { after, test, type TestContext } from "node:test"
import {
  createContainer,
  inspectContainer,
  killContainer,
  listContainers,
  removeContainer,
  restartContainer,
  startContainer,
  stopContainer,
  waitContainer,
} from "../../src/docker/containers.ts"
import { shellImage } from "../support/base-image.ts"
import {
  cleanUp,
  docker,
  labelsAsObject,
  network,
  run,
  startContainer as dockerRun,
  tmpfsVolume,
} from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { openEngine, startFakeEngine } from "./support.ts"

after(cleanUp)

/** Creates a container without starting it; it is removed after the test. */
async function made(
  t: TestContext,
  command: readonly string[],
  more: Record<string, unknown> = {},
): Promise<string> {
  const engine = await openEngine(t)
  const body = { Image: await shellImage(), Cmd: command, Labels: labelsAsObject, ...more }
  const id = await createContainer(engine, body, t.signal)
  t.after(() => removeContainer(engine, id, AbortSignal.timeout(20_000)))
  return id
}

test("inspect returns every field that the routes need", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const [volume, net, image] = [await tmpfsVolume("inspect"), await network("inspect"), await shellImage()]
  const flags = [
    `--name=${run}-inspect`,
    "--user=1000:1001",
    "--env=COLOUR=blue",
    "--label=a=b",
    "--read-only",
    "--tmpfs=/run/secrets:size=1m,mode=0700",
    `--mount=type=volume,source=${volume},target=/vol,readonly`,
    "--mount=type=bind,source=/etc,target=/host-etc",
    "--mount=type=tmpfs,target=/mem",
    `--network=${net}`,
    "--health-cmd=true",
    "--health-interval=1h",
    "--entrypoint=/bin/sleep",
    "--userns=host",
    "--privileged",
    "--tty",
  ]
  const id = await dockerRun(t, image, ["600"], flags)
  const found = await inspectContainer(engine, `${run}-inspect`, t.signal)
  const { state, mounts, networks, labels, image: imageId, env, ...rest } = found
  assert.deepEqual(rest, {
    id,
    name: `${run}-inspect`,
    imageName: image,
    user: "1000:1001",
    entrypoint: ["/bin/sleep"],
    command: ["600"],
    healthcheck: ["CMD-SHELL", "true"],
    readOnlyRootfs: true,
    tmpfs: { "/run/secrets": "size=1m,mode=0700" },
    usernsMode: "host",
    privileged: true,
    tty: true,
    hostConfigNetworkMode: net,
  })
  assert.match(imageId, /^sha256:[0-9a-f]{64}$/)
  assert.ok(env.includes("COLOUR=blue"))
  assert.equal(labels["a"], "b")
  assert.equal(labels["purser.test.base"], "1", "labels of the image are among them")
  const { pid, startedAt, ...flagsOfState } = state
  assert.deepEqual(flagsOfState, {
    running: true,
    paused: false,
    restarting: false,
    status: "running",
    exitCode: 0,
  })
  assert.ok(pid > 0 && Date.parse(startedAt) > 0)
  const byDestination = Object.fromEntries(mounts.map((mount) => [mount.destination, mount]))
  const { source, ...ofVolume } = byDestination["/vol"] ?? { source: "" }
  assert.match(source, new RegExp(`/${volume}/`))
  assert.deepEqual(ofVolume, {
    type: "volume",
    name: volume,
    destination: "/vol",
    readWrite: false,
    driver: "local",
  })
  assert.deepEqual(byDestination["/host-etc"], {
    type: "bind",
    source: "/etc",
    destination: "/host-etc",
    readWrite: true,
  })
  assert.equal(byDestination["/mem"]?.type, "tmpfs")
  assert.deepEqual(Object.keys(networks), [net])
  assert.match(networks[net]?.ipAddress ?? "", /^\d+\.\d+\.\d+\.\d+$/)
  assert.match(networks[net]?.gateway ?? "", /^\d+\.\d+\.\d+\.\d+$/)
  assert.equal(networks[net]?.networkId, await docker(["network", "inspect", "--format", "{{.ID}}", net]))
})

test("a container with only an image has empty lists and names, not null", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const id = await made(t, ["true"])
  const { state, entrypoint, healthcheck, tmpfs, mounts, user } = await inspectContainer(
    await openEngine(t),
    id,
    t.signal,
  )
  assert.deepEqual(
    { entrypoint, healthcheck, tmpfs, mounts, user },
    { entrypoint: [], healthcheck: [], tmpfs: {}, mounts: [], user: "" },
  )
  assert.deepEqual([state.running, state.pid, state.status], [false, 0, "created"])
})

test("a paused container is running and paused; an exited one has its exit code", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const id = await dockerRun(t, await shellImage(), ["sh", "-c", "trap 'exit 3' TERM; sleep 600 & wait"])
  await docker(["pause", id])
  const paused = (await inspectContainer(engine, id, t.signal)).state
  assert.deepEqual([paused.running, paused.paused, paused.status], [true, true, "paused"])
  await docker(["unpause", id])
  await stopContainer(engine, id, t.signal, 10)
  await stopContainer(engine, id, t.signal)
  const { running, exitCode, status } = (await inspectContainer(engine, id, t.signal)).state
  assert.deepEqual([running, exitCode, status], [false, 3, "exited"])
})

test("an unknown container is ERR_NO_SUCH_CONTAINER, and no name leads to another path of the API", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  for (const name of ["purser-no-such", "", ".", "..", "../images", "a/b", "a?all=1", "a b", "é", "%2e%2e"]) {
    await assert.rejects(inspectContainer(engine, name, t.signal), { code: "ERR_NO_SUCH_CONTAINER" }, name)
  }
  await assert.rejects(startContainer(engine, "purser-no-such", t.signal), { code: "ERR_NO_SUCH_CONTAINER" })
  await removeContainer(engine, "purser-no-such", t.signal)
})

test("lists containers that match all labels, and exited ones only on request", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const unique = `${run}-list`
  const label = (value: string): string[] => [`--label=who=${unique}`, `--label=which=${value}`]
  const one = await dockerRun(t, await shellImage(), ["sleep", "600"], [...label("1"), `--name=${unique}`])
  const two = await dockerRun(t, await shellImage(), ["sleep", "600"], label("2"))
  const list = async (labels: string[], all = false): Promise<string[]> =>
    (await listContainers(engine, { labels: [`who=${unique}`, ...labels], all }, t.signal))
      .map(({ id }) => id)
      .sort()
  assert.deepEqual(await list([]), [one, two].sort())
  assert.deepEqual(await list(["which=1"]), [one])
  assert.deepEqual(await list(["which"]), [one, two].sort())
  assert.deepEqual(await list(["which=3"]), [])
  await killContainer(engine, two, "SIGKILL", t.signal)
  await waitContainer(engine, two, { signal: t.signal })
  assert.deepEqual(await list([]), [one])
  assert.deepEqual(await list([], true), [one, two].sort())
  const [found] = await listContainers(engine, { labels: [`who=${unique}`] }, t.signal)
  assert.deepEqual(found?.names, [unique])
  assert.deepEqual([found?.state, found?.labels["which"], found?.image], ["running", "1", await shellImage()])
  assert.match(found?.imageId ?? "", /^sha256:/)
})

test("an exit code is not missed, however fast the container is", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const code = async (exit: number): Promise<number> => {
    const id = await made(t, ["sh", "-c", `exit ${exit}`])
    const onReady = () => startContainer(engine, id, t.signal)
    return await waitContainer(engine, id, { condition: "next-exit", onReady, signal: t.signal })
  }
  assert.deepEqual(await Promise.all([0, 1, 137].map(code)), [0, 1, 137])
})

test("starting twice succeeds, a signal reaches the process, and signalling an exited container fails", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const id = await made(t, ["sh", "-c", "trap 'exit 9' HUP; echo ready; while :; do sleep 0.1; done"])
  await startContainer(engine, id, t.signal)
  await startContainer(engine, id, t.signal)
  await docker(["exec", id, "sh", "-c", "until grep -q '^SigCgt:.*[13579bdf]$' /proc/1/status; do :; done"])
  const ended = waitContainer(engine, id, {
    signal: t.signal,
    onReady: () => killContainer(engine, id, "HUP", t.signal),
  })
  assert.equal(await ended, 9)
  await assert.rejects(killContainer(engine, id, "HUP", t.signal), { code: "ERR_NOT_RUNNING" })
})

test("a restart gives a new process and a new start", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const id = await dockerRun(t, await shellImage(), ["sleep", "600"])
  const before = (await inspectContainer(engine, id, t.signal)).state
  await restartContainer(engine, id, t.signal, 0)
  const now = (await inspectContainer(engine, id, t.signal)).state
  assert.ok(now.running && now.pid !== before.pid && now.startedAt !== before.startedAt)
})

test("the errors for a missing mount source, a taken name and an unknown image quote the engine", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const body = { Image: await shellImage(), Cmd: ["true"], Labels: labelsAsObject }
  const mount = { Type: "bind", Source: "/no/such/source", Target: "/x" }
  const missing = createContainer(engine, { ...body, HostConfig: { Mounts: [mount] } }, t.signal)
  await assert.rejects(missing, { code: "ERR_DOCKER", message: /bind source path does not exist/ })
  await assert.rejects(createContainer(engine, { Image: "purser-no-such" }, t.signal), {
    code: "ERR_NO_SUCH_IMAGE",
  })
  const name = `${run}-taken`
  const id = await createContainer(engine, body, t.signal, name)
  await assert.rejects(createContainer(engine, body, t.signal, name), {
    code: "ERR_DOCKER",
    message: /already in use/,
  })
  await removeContainer(engine, id, t.signal)
})

test("the engine's reason for a failed wait is in the error", async (t) => {
  const answers = ['{"StatusCode":0,"Error":{"Message":"it burns"}}', "{", ""]
  const address = await startFakeEngine(t, (_, response) => response.end(answers.shift()))
  const engine = await openEngine(t, address)
  const wait = () => waitContainer(engine, "x", { signal: t.signal })
  await assert.rejects(wait(), { code: "ERR_DOCKER", message: /"it burns"/ })
  await assert.rejects(wait(), { code: "ERR_DOCKER" })
  await assert.rejects(wait(), { code: "ERR_DOCKER" })
})
