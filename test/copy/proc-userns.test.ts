import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { procRoute } from "../../src/copy/proc.ts"
import { RouteUnsuitable } from "../../src/copy/route.ts"
import { connectEngine } from "../../src/docker/engine.ts"
import { shellImage } from "../support/base-image.ts"
import { docker, dockerOutput } from "../support/docker.ts"
import { run } from "../files/support.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"
import { file, namesIn, seen, taskFor } from "./proc-support.ts"

/** An engine whose containers have user namespaces, beside the usual one. Resolves with its address, or null where it cannot be had. */
async function startRemappingEngine(t: TestContext): Promise<string | null> {
  if (
    !(await run("which", ["dockerd", "unshare"]).then(
      () => true,
      () => false,
    ))
  ) {
    t.skip("needs dockerd and unshare")
    return null
  }
  // One hook for all: hooks run in the order of their making, and the directory has to go last.
  const directory = await mkdtemp(join(tmpdir(), "purser-test-"))
  const at = (name: string) => join(directory, name)
  // The remapped root has to get through.
  await chmod(directory, 0o711)
  // Only it sees these users, in a mount namespace of its own. The network namespace is not for tidiness: started
  // with --bridge=none, an engine deletes docker0, which is the usual engine's.
  await writeFile(at("ids"), "nobody:200000:65536\nnogroup:200000:65536\n")
  const script =
    'for file in /etc/subuid /etc/subgid; do mount --bind "$1" $file || exit; done; shift; exec dockerd "$@"'
  const flags = [
    "--userns-remap=nobody:nogroup",
    `--data-root=${at("data")}`,
    `--exec-root=${at("exec")}`,
    `--host=unix://${at("socket")}`,
    `--pidfile=${at("pid")}`,
    "--bridge=none",
    "--iptables=false",
    "--storage-driver=vfs",
    "--log-level=error",
  ]
  const args = ["--mount", "--net", "--propagation=private", "sh", "-c", script, "sh", at("ids"), ...flags]
  const child = spawn("unshare", args, { stdio: "ignore" })
  const ended = once(child, "exit")
  const host = `unix://${at("socket")}`
  const there = { env: { DOCKER_HOST: host } }
  t.after(async () => {
    const ids = await docker(["ps", "--all", "--quiet"], there).catch(() => "")
    if (ids !== "") await docker(["rm", "--force", ...ids.split("\n")], there)
    child.kill("SIGTERM")
    await ended
    await rm(directory, { recursive: true, force: true })
  })
  const answers = () => docker(["version"], there)
  const started = waitFor(
    "the second engine",
    () =>
      existsSync(at("socket")) &&
      answers().then(
        () => true,
        () => false,
      ),
    { everyMs: 100 },
  )
  const up = await Promise.race([started, ended.then(() => false)])
  if (up) return host
  t.skip("a second engine with user namespaces does not start here")
  return null
}

test("a container with a user namespace of its own is left to other routes, one without is not", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const image = await shellImage()
  const host = await startRemappingEngine(t)
  if (host === null) return
  const { signal } = new AbortController()
  await using engine = await connectEngine({ host, env: {}, home: homedir(), signal })
  const there = { env: { DOCKER_HOST: host } }
  const archive = join(await tempDir(t), "image.tar")
  await docker(["save", "--output", archive, image])
  await dockerOutput(["load", "--input", archive], there)
  const start = async (...options: string[]): Promise<string> => {
    const fixed = ["run", "--detach", "--network=none", "--tmpfs=/run/secrets"]
    return await docker([...fixed, ...options, image, "sleep", "600"], there)
  }
  const files = [file("/run/secrets/a", "one")]
  const mapped = await taskFor(engine, await start(), files)
  assert.equal(await procRoute.whyNot(mapped), "it has a user namespace of its own")
  await assert.rejects(procRoute.copy(mapped), (error) => {
    return error instanceof RouteUnsuitable && error.message === "it has a user namespace of its own"
  })
  assert.deepEqual(await namesIn(mapped.container, "/run/secrets"), [])

  const plain = await taskFor(engine, await start("--userns=host"), files)
  assert.equal(await procRoute.whyNot(plain), null)
  await procRoute.copy(plain)
  assert.equal((await seen(plain.container, "/run/secrets/a")).content, "one")
})
