import assert from "node:assert/strict"
import { createHash, randomBytes } from "node:crypto"
import { existsSync, globSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { test, type TestContext } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { copyInto } from "../../src/copy/copy.ts"
import type { RouteName } from "../../src/copy/routes.ts"
import { getArchive, putArchive } from "../../src/docker/archive.ts"
import * as containers from "../../src/docker/containers.ts"
import type { Engine } from "../../src/docker/engine.ts"
import { followEvents } from "../../src/docker/events.ts"
import { execIn } from "../../src/docker/exec.ts"
import { imageHistory, inspectImage, listImages } from "../../src/docker/images.ts"
import { engineInfo } from "../../src/docker/info.ts"
import * as networks from "../../src/docker/networks.ts"
import { readTar, writeTar } from "../../src/docker/tar.ts"
import { inspectVolume } from "../../src/docker/volumes.ts"
import { file, namesIn, seen } from "../copy/support.ts"
import { shellImage } from "../support/base-image.ts"
import { newerEngine } from "../support/newer-engine.ts"
import { startSecondEngine, type SecondEngine } from "../support/second-engine.ts"
import { requireService } from "../support/services.ts"
import { openEngine } from "./support.ts"

/** Repeats the claims of this folder and of test/copy once each on an engine that is years newer than the usual one. */

const idle = ["sleep", "600"]
const tmpfs = "--mount=type=tmpfs,target=/run/secrets"

interface Subject {
  readonly second: SecondEngine
  readonly engine: Engine
  readonly image: string
}

const claims: Readonly<Record<string, (subject: Subject, t: TestContext) => Promise<void>>> = {
  "the negotiated version is the newest that both know": async ({ engine, second }, { signal }) => {
    const theirs = await second.docker("version", "--format={{.Server.APIVersion}}")
    assert.notEqual(theirs, "1.41", "it is not the usual engine")
    // The expected version is ours as long as the engine is the newer side.
    assert.equal(engine.apiVersion, theirs > "1.47" ? "1.47" : theirs)
    const { serverVersion, dataRoot, rootless, osType } = await engineInfo(engine, signal)
    assert.equal(serverVersion, await second.docker("version", "--format={{.Server.Version}}"))
    assert.ok(dataRoot.startsWith(second.directory))
    assert.deepEqual([rootless, osType], [false, "linux"])
  },

  "a container is created, started, inspected, killed, waited for, restarted, stopped and removed": async (
    { engine, image },
    { signal },
  ) => {
    const body = {
      Image: image,
      Cmd: idle,
      User: "1000:1001",
      Labels: { "a.b": "c" },
      HostConfig: { NetworkMode: "none", ReadonlyRootfs: true, Tmpfs: { "/run/secrets": "size=1m" } },
    }
    const id = await containers.createContainer(engine, body, signal, "made")
    await containers.startContainer(engine, id, signal)
    const made = await containers.inspectContainer(engine, "made", signal)
    assert.deepEqual(
      [made.id, made.name, made.imageName, made.user, made.readOnlyRootfs, made.hostConfigNetworkMode],
      [id, "made", image, "1000:1001", true, "none"],
    )
    assert.ok(made.state.running && made.state.pid > 0)
    assert.deepEqual([made.tmpfs, made.labels["a.b"]], [{ "/run/secrets": "size=1m" }, "c"])
    assert.equal(made.image, (await inspectImage(engine, image, signal)).id)
    const [listed] = await containers.listContainers(engine, { labels: ["a.b=c"] }, signal)
    assert.deepEqual([listed?.id, listed?.names, listed?.state], [id, ["made"], "running"])

    const kill = (): Promise<void> => containers.killContainer(engine, id, "SIGKILL", signal)
    const ended = containers.waitContainer(engine, id, { signal, condition: "next-exit", onReady: kill })
    assert.equal(await ended, 137)
    await assert.rejects(kill, { code: "ERR_NOT_RUNNING" })
    await containers.restartContainer(engine, id, signal, 0)
    const again = await containers.inspectContainer(engine, id, signal)
    assert.ok(again.state.running && again.state.startedAt > made.state.startedAt)
    await containers.stopContainer(engine, id, signal, 0)
    await containers.stopContainer(engine, id, signal, 0)
    await containers.removeContainer(engine, id, signal)
    await containers.removeContainer(engine, id, signal)
    await assert.rejects(containers.inspectContainer(engine, id, signal), { code: "ERR_NO_SUCH_CONTAINER" })
  },

  "an exec reads its input to the end and answers on both streams": async (
    { engine, second, image },
    { signal },
  ) => {
    const id = await second.start(image, idle)
    const stdin = randomBytes(1024 * 1024)
    const exec = (...command: readonly string[]) =>
      execIn(engine, id, { command, stdin, timeoutMs: 20_000 }, signal)
    const { exitCode, stdout, stderr } = await exec("sh", "-c", "sha256sum; echo over >&2; exit 3")
    const digest = createHash("sha256").update(stdin).digest("hex")
    assert.deepEqual([exitCode, String(stdout), String(stderr)], [3, `${digest}  -\n`, "over\n"])
    assert.equal((await exec("true")).exitCode, 0, "what does not read its input ends as well")
    const missing = await exec("no-such-program")
    assert.equal(missing.exitCode, 127)
    assert.match(String(missing.stdout), /executable file not found/)

    await second.docker("pause", id)
    await assert.rejects(exec("true"), { code: "ERR_CONTAINER_PAUSED" })
    await second.docker("unpause", id)
    await containers.killContainer(engine, id, "KILL", signal)
    await assert.rejects(exec("true"), { code: "ERR_NOT_RUNNING" })
  },

  "an archive goes into a tmpfs volume of a running container and comes back": async (
    { engine, second, image },
    { signal },
  ) => {
    const options = ["--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=size=1m"]
    await second.docker("volume", "create", ...options, "memory")
    const id = await second.start(image, idle, ["--volume=memory:/vol"])
    const { driver, options: found } = await inspectVolume(engine, "memory", signal)
    assert.deepEqual([driver, found], ["local", { type: "tmpfs", device: "tmpfs", o: "size=1m" }])
    const entry = { name: "a", content: Buffer.from("content\n"), mode: 0o640, uid: 999, gid: 1000 }
    await putArchive(engine, id, "/vol", writeTar([entry]), signal)
    assert.equal(await second.docker("exec", id, "stat", "-c", "%a %u %g %s", "/vol/a"), "640 999 1000 8")
    const [got] = readTar(await getArchive(engine, id, "/vol/a", signal))
    assert.equal(got?.content.toString(), "content\n")
  },

  "events come after the list, with type, action, id and attributes": async (
    { engine, second, image },
    { signal },
  ) => {
    let id = ""
    const actions: string[] = []
    for await (const event of followEvents(engine, { types: ["container"], signal })) {
      if (event.kind === "list") id = await second.start(image, ["true"], ["--label=x=y"])
      else if (event.id === id && event.attributes["x"] === "y") actions.push(event.action)
      if (actions.includes("die")) break
    }
    assert.deepEqual(
      actions.filter((action) => ["create", "start", "die"].includes(action)),
      ["create", "start", "die"],
    )
  },

  "networks and images are read, and a network is created and removed": async (
    { engine, image },
    { signal },
  ) => {
    const names = (await networks.listNetworks(engine, {}, signal)).map(({ name }) => name)
    assert.ok(names.includes("none") && names.includes("host"), names.join(" "))
    const created = await networks.createNetwork(engine, { name: "inner", internal: true }, signal)
    assert.equal((await networks.inspectNetwork(engine, "inner", signal)).id, created)
    await assert.rejects(networks.createNetwork(engine, { name: "inner" }, signal), { code: "ERR_DOCKER" })
    await networks.removeNetwork(engine, created, signal)
    await networks.removeNetwork(engine, created, signal)
    assert.ok((await listImages(engine, signal)).length > 0)
    assert.ok((await imageHistory(engine, image, signal)).length > 0)
    await assert.rejects(inspectImage(engine, "no-such", signal), { code: "ERR_NO_SUCH_IMAGE" })
  },

  "route proc copies": async (subject, t) => await copies(subject, t, "proc", [tmpfs]),
  "route exec copies": async (subject, t) => await copies(subject, t, "exec", [tmpfs, "--read-only"]),
  "route volume copies": async (subject, t) => {
    const mount = "type=volume,target=/run/secrets,volume-opt=type=tmpfs,volume-opt=device=tmpfs"
    await copies(subject, t, "volume", [`--mount=${mount}`])
  },
}

async function copies(
  { engine, second, image }: Subject,
  { signal }: TestContext,
  route: RouteName,
  options: readonly string[],
): Promise<void> {
  const id = await second.start(image, idle, options)
  const container = await containers.inspectContainer(engine, id, signal)
  const copy = (first: string) => {
    const files = [
      file("/run/secrets/a", first),
      file("/run/secrets/b", "two", { mode: 0o440, owner: "999:1000" }),
    ]
    return copyInto(engine, container, files, { route, requireTmpfs: true, log: silentLog, signal })
  }
  assert.deepEqual((await copy("one")).written, ["/run/secrets/a", "/run/secrets/b"])
  const again = await copy("three")
  assert.deepEqual(
    [again.route, again.written, again.replaced, again.unchanged],
    [route, ["/run/secrets/a"], ["/run/secrets/a"], ["/run/secrets/b"]],
  )
  assert.deepEqual(await seen(container, "/run/secrets/a"), { content: "three", mode: "400", owner: "0:0" })
  assert.deepEqual(await seen(container, "/run/secrets/b"), {
    content: "two",
    mode: "440",
    owner: "999:1000",
  })
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a", "b"])
}

test("a newer engine", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "busybox", "newerEngine"))) return
  const second = await startSecondEngine(t, newerEngine())
  const image = await shellImage()
  await second.load(image)
  const engine = await openEngine(t, second.host)
  for (const [title, claim] of Object.entries(claims)) {
    await t.test(title, (inner) => claim({ second, engine, image }, inner))
  }

  await t.test("it leaves nothing behind", async () => {
    await second.stop()
    assert.ok(!existsSync(second.directory))
    const processes = globSync("/proc/[0-9]*/cmdline")
    const lines = await Promise.all(processes.map((path) => readFile(path, "utf8").catch(() => "")))
    assert.deepEqual(
      lines.filter((line) => line.includes(second.directory)),
      [],
    )
    assert.doesNotMatch(await readFile("/proc/self/mountinfo", "utf8"), new RegExp(second.directory))
  })
})
