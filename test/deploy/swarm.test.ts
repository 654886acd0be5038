import assert from "node:assert/strict"
import { copyFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { nodeImage } from "../support/base-image.ts"
import { cleanUp, docker, DockerError, inspect, labels, run } from "../support/docker.ts"
import { assertNoLeaks, createMarker } from "../support/leaks.ts"
import { codeBlocks } from "../support/markdown.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"
import { logged, logs, onlookersView, purserImage, receiver } from "./support.ts"

/** The stack of docs/swarm.md as it stands there, with an application's image made as docs/sidecar.md says. */

after(cleanUp)

test("every task of a Swarm service is found by tasks.NAME, and proves itself with a Swarm secret", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "build"))) return
  const since = Date.now()
  const directory = await tempDir(t)
  await using cleanUps = new AsyncDisposableStack() // in reverse, which `t.after` does not do
  await joinSwarm(cleanUps)
  const [PURSER_IMAGE, APP_IMAGE] = await Promise.all([purserImage(), applicationImage(directory)])

  const [volume, enrol, stack] = [`${run}-state`, `${run}-enrol`, `${run}-stack`]
  await docker(["volume", "create", ...labels, volume])
  const once = [
    "run",
    "--rm",
    "--interactive",
    ...labels,
    "--volume",
    `${volume}:/var/lib/purser`,
    PURSER_IMAGE,
  ]
  const [first, second] = [createMarker(), createMarker()]
  const set = (secret: string) => docker([...once, "secret", "set", "db-password"], { input: secret })
  await set(first)
  const input = await docker([...once, "enrol", "web"])
  await docker(["secret", "create", ...labels, enrol, "-"], { input })
  cleanUps.defer(async () => void (await docker(["secret", "rm", enrol])))

  const [documented] = await codeBlocks("docs/swarm.md", "yaml")
  const file = join(directory, "stack.yaml")
  await writeFile(file, documented?.text ?? "")
  const env = { PURSER_IMAGE, APP_IMAGE, PURSER_STATE_VOLUME: volume, PURSER_ENROL_SECRET: enrol }
  cleanUps.defer(async () => {
    // Its network is in use until the last task has ended, and the removal does not wait for that.
    const gone = async (): Promise<boolean> => {
      await docker(["stack", "rm", stack])
      const networks = `--filter=label=com.docker.stack.namespace=${stack}`
      return (await docker(["network", "ls", "--quiet", networks])) === ""
    }
    const patience = { timeoutMs: 60_000, everyMs: 500 }
    await waitFor("the stack to be gone", () => gone().catch(() => false), patience)
    await waitFor("the end of the tasks", async () => (await containersOf(stack)).length === 0, patience)
  })
  await docker(["stack", "deploy", "--detach", "--compose-file", file, "--resolve-image=never", stack], {
    env,
  })

  const web = await waitFor("two tasks", () => tasks(`${stack}_web`, 2), { timeoutMs: 60_000, everyMs: 200 })
  const [agent = ""] = await waitFor("the agent", () => tasks(`${stack}_purser`, 1), { everyMs: 200 })
  for (const task of web) await logged(task, /the application has db-password/)
  const contents = async (): Promise<string[]> =>
    await Promise.all(web.map((task) => docker(["exec", task, "cat", "/run/secrets/db-password"])))
  assert.deepEqual(await contents(), [first, first])
  assert.equal((await logs(agent)).match(/: ok, 1 sent/g)?.length, 2)

  await set(second)
  await waitFor("the new secret in both", async () => (await contents()).every((text) => text === second))
  assertNoLeaks([first, second], await onlookersView([...web, agent], since))
})

/** From the Dockerfile in docs/sidecar.md. */
async function applicationImage(directory: string): Promise<string> {
  const [dockerfile] = await codeBlocks("docs/sidecar.md", "dockerfile")
  const command = `CMD ["sh", "-c", "echo the application has $(ls /run/secrets); trap exit TERM; sleep 3600 & wait"]`
  const text = dockerfile?.text.replace(/^CMD .*$/m, command)
  assert.match(text ?? "", /the application has/)
  await writeFile(join(directory, "Dockerfile"), text ?? "")
  await copyFile(receiver, join(directory, "purser-node.mjs"))
  const tag = `purser-test/application:${process.pid}`
  const base = ["--build-arg", `BASE=${await nodeImage()}`]
  await docker(["build", "--quiet", ...labels, ...base, "--tag", tag, directory])
  return tag
}

/** The running containers of a service, or null while there are not `count` of them. */
async function tasks(service: string, count: number): Promise<string[] | null> {
  const list = await docker([
    "ps",
    "--quiet",
    "--no-trunc",
    `--filter=label=com.docker.swarm.service.name=${service}`,
  ])
  const found = list.split("\n").filter((id) => id !== "")
  return found.length === count ? found : null
}

async function containersOf(stack: string): Promise<string[]> {
  const filter = `--filter=label=com.docker.stack.namespace=${stack}`
  return (await docker(["ps", "--quiet", filter])).split("\n").filter((id) => id !== "")
}

/** A Swarm of this engine alone, left again at the end. One that is there already is used, and stays. */
async function joinSwarm(cleanUps: AsyncDisposableStack): Promise<void> {
  const state = await docker(["info", "--format={{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"])
  if (state === "active true") return
  const hadGateway = await exists("docker_gwbridge")
  await docker(["swarm", "init", "--advertise-addr=127.0.0.1"])
  cleanUps.defer(async () => {
    await docker(["swarm", "leave", "--force"])
    if (!hadGateway) await docker(["network", "rm", "docker_gwbridge"])
  })
}

async function exists(network: string): Promise<boolean> {
  try {
    await inspect(network)
    return true
  } catch (error) {
    if (error instanceof DockerError) return false
    throw error
  }
}
