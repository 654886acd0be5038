import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { imageWith, node22Image, nodeImage, shellImage, shelllessImage } from "./base-image.ts"
import {
  cleanUp,
  compose,
  docker,
  DockerError,
  inspect,
  labelsAsObject,
  network,
  run,
  startContainer,
  tmpfsVolume,
} from "./docker.ts"
import { requireService } from "./services.ts"
import { tempDir } from "./temp.ts"

after(cleanUp)

test("the base images run what they hold, and nothing else", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "node22"))) return
  const once = (image: string, ...command: string[]) =>
    docker(["run", "--rm", "--network=none", image, ...command])
  const version = ["node", "-p", "process.version"]
  assert.equal(await once(await nodeImage(), ...version), process.version)
  assert.equal(await once(await nodeImage(), "sh", "-c", "id -un"), "root")
  assert.equal(await once(await node22Image(), ...version), "v22.0.0")
  assert.equal(await once(await shelllessImage(), ...version), process.version)
  await assert.rejects(once(await shelllessImage(), "sh", "-c", "true"), DockerError)
  assert.match(
    await once(await shellImage(), "sh", "-c", "ls -ld /tmp; busybox id db"),
    /^drwxrwxrwt[^]*uid=999\(db\)/,
  )
  await assert.rejects(once(await shellImage(), "node", "-v"), DockerError)
  assert.equal(await nodeImage(), await nodeImage())
})

test("an image of files, containers that find each other by name, and a tmpfs volume", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const image = await imageWith(await nodeImage(), "files", { "srv/index.html": "hello" }, ['CMD ["true"]'])
  const net = await network("net")
  const volume = await tmpfsVolume("secrets", "uid=999,mode=0700")
  const on = [`--network=${net}`, `--volume=${volume}:/run/secrets`]
  const server = await startContainer(
    t,
    image,
    ["httpd", "-f", "-p", "80", "-h", "/srv"],
    [...on, "--name", `${run}-web`],
  )
  const fetched = [
    "run",
    "--rm",
    ...on,
    image,
    "node",
    "-p",
    `fetch("http://${run}-web/").then((r) => r.text()).then(console.log)`,
  ]
  assert.match(await docker(fetched), /hello/)
  assert.match(
    await docker(["exec", server, "sh", "-c", "stat -f -c %T /run/secrets; stat -c %a:%u /run/secrets"]),
    /tmpfs\n700:999/,
  )
  const { State } = await inspect<{ State: { Running: boolean } }>(server)
  assert.equal(State.Running, true)
})

test("Compose starts a project and takes it down again", async (t) => {
  if (!(await requireService(t, "compose", "busybox"))) return
  const dir = await tempDir(t)
  const service = { image: await shellImage(), command: ["sleep", "60"], init: true, labels: labelsAsObject }
  const healthcheck = { test: ["CMD", "true"], interval: "1s" }
  const services = {
    first: { ...service, healthcheck },
    second: { ...service, depends_on: { first: { condition: "service_healthy" } } },
  }
  await writeFile(join(dir, "compose.json"), JSON.stringify({ services }))
  const project = compose(t, join(dir, "compose.json"), "two")
  await project("up", "--detach")
  assert.equal((await project("ps", "--quiet", "--status=running")).stdout.trim().split("\n").length, 2)
})

test("cleanUp leaves nothing of this file on the engine", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  await docker(["run", "--detach", "--label", `purser.test=${run}`, await shellImage(), "sleep", "60"])
  await tmpfsVolume("forgotten")
  await network("forgotten")
  await docker(["network", "create", `${run}-project_default`]) // as Compose names one, with no label of ours
  await cleanUp()
  assert.doesNotMatch(await docker(["ps", "--all", "--format={{.Labels}}"]), new RegExp(run))
  assert.doesNotMatch(await docker(["volume", "ls", "--quiet"]), new RegExp(run))
  assert.doesNotMatch(await docker(["network", "ls", "--format={{.Name}}"]), new RegExp(run))
  assert.equal(await docker(["image", "ls", "--quiet", "--filter", `label=purser.test=${run}`]), "")
})
