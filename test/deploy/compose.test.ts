import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { after, test } from "node:test"
import { join } from "node:path"
import { cleanUp, compose, docker, DockerError, inspect, network } from "../support/docker.ts"
import { assertNoLeaks, createMarker, findLeaks } from "../support/leaks.ts"
import { codeBlocks } from "../support/markdown.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"
import { databaseImage, logged, onlookersView, purserImage, root } from "./support.ts"
import { freePort } from "../support/free-port.ts"

/** The files of deploy/ as they are, told nothing but by the environment. */

after(cleanUp)

const deploy = (file: string): string => join(root, "deploy", file)
const digest = (text: string): string => createHash("sha256").update(text).digest("hex")

test("one host: the database starts once its password is there, sees the new one, and nobody else does", async (t) => {
  if (!(await requireService(t, "compose", "busybox", "build"))) return
  const since = Date.now()
  const env = { PURSER_IMAGE: await purserImage(), DB_IMAGE: await databaseImage() }
  const project = compose(t, deploy("compose.yaml"), "one", { env })
  const [first, second] = [createMarker(), createMarker()]
  const run = ["run", "--rm", "--no-TTY", "purser"]
  const set = (secret: string) => project.withInput(secret, ...run, "secret", "set", "db-password")

  await assert.rejects(
    project("run", "--rm", "--no-deps", "db"),
    (error: DockerError) => /refusing to start: ENOENT/.test(error.stderr + error.stdout),
    "without its password the database does not start",
  )

  await project("up", "--detach", "purser")
  const purser = (await project("ps", "--quiet", "purser")).stdout.trim()
  await logged(purser, /failed, not delivered into \/out\/db: db-password/)
  assert.notEqual(await health(purser), "healthy", "nor is the agent healthy, which it waits for")

  await set(first)
  await project("up", "--detach")
  const db = (await project("ps", "--quiet", "db")).stdout.trim()
  assert.match(await logged(db, /started with/), new RegExp(digest(first)))
  assert.equal(await health(purser), "healthy")
  const seen = [
    "exec",
    db,
    "sh",
    "-c",
    "stat -c %a:%u:%g /run/secrets/db-password; stat -f -c %T /run/secrets",
  ]
  assert.equal(await docker(seen), "400:999:999\ntmpfs")
  await assert.rejects(docker(["exec", db, "sh", "-c", "echo x > /run/secrets/db-password"]), /Read-only/)

  await set(second)
  await waitFor("the new password", async () => {
    const now = await docker(["exec", db, "sha256sum", "/run/secrets/db-password"])
    return now.startsWith(digest(second))
  })
  await docker(["kill", "--signal=HUP", db])
  assert.match(await logged(db, /reloaded with/), new RegExp(`reloaded with ${digest(second)}`))

  const { HostConfig } = await inspect<Confined>(purser)
  const withoutPrefix = HostConfig.CapAdd?.map((name) => name.replace(/^CAP_/, ""))
  assert.deepEqual([HostConfig.CapDrop, withoutPrefix], [["ALL"], ["CHOWN", "DAC_OVERRIDE", "FOWNER"]])
  assert.equal(HostConfig.ReadonlyRootfs, true)
  assertNoLeaks([first, second], await onlookersView([purser, db], since))
})

test("two hosts: the agent dials the node, the application starts, and a change arrives by itself", async (t) => {
  if (!(await requireService(t, "compose", "busybox", "build"))) return
  const since = Date.now()
  const PURSER_IMAGE = await purserImage()
  const port = await freePort()
  // The rented host as the agent sees it: an address outside its own network, and a published port. The default
  // bridge would not do: an engine that has just made it tells no gateway before it is started again.
  const outside = await network("rented")
  const gateway = await docker(["network", "inspect", "--format={{(index .IPAM.Config 0).Gateway}}", outside])
  assert.match(gateway, /^\d+(?:\.\d+){3}$/)
  const agentEnv = { PURSER_IMAGE, NODE: `${gateway}:${port}` }
  const agentProject = compose(t, deploy("compose.agent.yaml"), "agent", { env: agentEnv })
  const atHome = async (input: string, ...args: string[]): Promise<string> =>
    (await agentProject.withInput(input, "run", "--rm", "--no-TTY", "purser", ...args)).stdout.trim()
  const [first, second] = [createMarker(), createMarker()]
  await atHome(first, "secret", "set", "db-password")
  const enrolment = await atHome("", "enrol", "web")
  assert.match(enrolment, /^purser1\.web\./)

  const nodeEnv = {
    PURSER_IMAGE,
    APP_IMAGE: await databaseImage(),
    PURSER_ENROL: enrolment,
    PURSER_PORT: String(port),
    APP_USER: "999:999",
  }
  const nodeProject = compose(t, deploy("compose.node.yaml"), "node", { env: nodeEnv })
  const up = nodeProject("up", "--detach")
  const node = await waitFor("the node", async () =>
    (await nodeProject("ps", "--quiet", "purser")).stdout.trim(),
  )
  await logged(node, /listening on/)
  assert.equal(
    (await nodeProject("ps", "--quiet", "--status=running", "web")).stdout,
    "",
    "the application does not run before its secret is there",
  )

  await agentProject("up", "--detach")
  await up
  const agent = (await agentProject("ps", "--quiet", "purser")).stdout.trim()
  const web = (await nodeProject("ps", "--quiet", "web")).stdout.trim()
  assert.match(await logged(agent, /: ok, 1 sent/), /sent db-password/)
  const digestIn = (): Promise<string> => docker(["exec", web, "sha256sum", "/run/secrets/db-password"])
  assert.ok((await digestIn()).startsWith(digest(first)))
  assert.equal(
    await docker(["exec", web, "stat", "-c", "%a:%u:%g", "/run/secrets/db-password"]),
    "400:999:999",
    "the files are the application's user's",
  )
  assert.equal(await health(node), "healthy")
  await atHome(second, "secret", "set", "db-password")
  await waitFor("the new password", async () => (await digestIn()).startsWith(digest(second)))

  for (const container of [agent, node]) {
    const { HostConfig } = await inspect<Confined>(container)
    assert.deepEqual([HostConfig.CapDrop, HostConfig.CapAdd ?? []], [["ALL"], []])
    assert.equal(HostConfig.ReadonlyRootfs, true)
  }
  const view = await onlookersView([agent, node, web], since)
  assertNoLeaks([first, second], view)
  // The look is not blind: the enrolment string is in the node's environment, as the documentation says.
  assert.ok(findLeaks([enrolment], view).some((found) => found.startsWith(`inspect ${node}`)))
  for (const part of [`/containers/${agent}/`, `/volumes/${agentProject.id}_purser-state/_data/secrets/`])
    assert.ok(process.getuid?.() !== 0 || view.some(({ name }) => name.includes(part)), part)
})

interface Confined {
  readonly HostConfig: {
    readonly CapDrop: readonly string[]
    readonly CapAdd: readonly string[] | null
    readonly ReadonlyRootfs: boolean
  }
}

test("every Compose file in the documentation is one", async (t) => {
  if (!(await requireService(t, "compose"))) return
  const env = { PURSER_ENROL: "purser1.web.Pin", APP_IMAGE: "application" }
  let count = 0
  for (const page of ["sidecar", "compose", "files", "node"]) {
    for (const { text, line } of await codeBlocks(`docs/${page}.md`, "yaml")) {
      if (!/^services:/m.test(text)) continue
      count++
      const check = ["compose", "--file", "-", "--project-name", "documented", "config", "--quiet"]
      await assert.doesNotReject(docker(check, { env, input: text }), `docs/${page}.md:${line}`)
    }
  }
  assert.ok(count > 0)
})

async function health(container: string): Promise<string> {
  return await docker(["inspect", "--format={{.State.Health.Status}}", container])
}
