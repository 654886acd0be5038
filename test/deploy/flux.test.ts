import assert from "node:assert/strict"
import { after, test } from "node:test"
import { parse } from "yaml"
import { nodeImage } from "../support/base-image.ts"
import { cleanUp, docker, inspect, startContainer } from "../support/docker.ts"
import { assertNoLeaks, createMarker } from "../support/leaks.ts"
import { codeBlocks } from "../support/markdown.ts"
import { requireService } from "../support/services.ts"
import { addressOf, home, logged, logs, onlookersView, receiver } from "./support.ts"

/** A container as FluxOS starts one from the component in docs/flux.md: variables, and a volume on the disk. */

after(cleanUp)

interface Component {
  readonly containerPorts: readonly number[]
  readonly environmentParameters: readonly string[]
  readonly containerData: string
}

test("the component of the Flux guide waits for approval, and then starts with its secret in memory", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "build"))) return
  const since = Date.now()
  const at = await home(t)
  const marker = createMarker()
  await at.purser(["secret", "set", "db-password"], marker)
  const enrolment = (await at.purser(["enrol", "myapp", "--trust=approved"])).trim()
  assert.equal(enrolment.split(".").length, 3, "it holds no token, so it may be published")

  const [block] = await codeBlocks("docs/flux.md", "json")
  const component = JSON.parse(block?.text ?? "") as Component
  assert.equal(component.containerPorts[0], 39898)
  const variables = component.environmentParameters.map((variable) =>
    variable.replace("purser1.myapp.AgentPin", enrolment),
  )
  const options = variables.flatMap((variable) => ["--env", variable])
  const command = "echo started with $(ls /dev/shm/secrets); trap exit TERM; sleep 3600 & wait"
  const start = ["node", "/purser-node.mjs", "--", "sh", "-c", command]
  const mounts = ["--volume", `${receiver}:/purser-node.mjs:ro`, "--volume", component.containerData]
  const container = await startContainer(t, await nodeImage(), start, [...options, ...mounts])
  const [, pin = ""] = /pin=(sha256:[\w-]{43})/.exec(await logged(container, /listening on/)) ?? []
  assert.notEqual(pin, "", "the log shows the pin that is to be approved")

  const [yaml] = await codeBlocks("docs/flux.md", "yaml")
  const { apps } = parse(yaml?.text ?? "") as { apps: { myapp: { trust: string; secrets: string[] } } }
  assert.deepEqual([apps.myapp.trust, apps.myapp.secrets], ["approved", ["db-password"]])
  const flags = ["--app=myapp", "--secret=db-password", "--trust=approved", "--node"]
  const refused = await at.round(...flags, await addressOf(container))
  assert.equal(refused.code, 1)
  assert.deepEqual(
    refused.lines.filter(({ type }) => type === "delivery").map(({ status }) => status),
    ["refused"],
  )
  assert.doesNotMatch(await logs(container), /started with/)

  await at.purser(["nodes", "approve", pin])
  assert.equal((await at.round(...flags, await addressOf(container))).code, 0)
  await logged(container, /started with db-password/)
  const look = "cat /dev/shm/secrets/db-password; echo; stat -f -c %T /dev/shm/secrets"
  assert.equal(await docker(["exec", container, "sh", "-c", look]), `${marker}\ntmpfs`)

  // Started again, it is no stranger; its memory is empty, though.
  await docker(["restart", "--time=10", container])
  await logged(container, /listening on[^]*listening on/)
  const again = await at.round(...flags, await addressOf(container))
  assert.equal(again.code, 0)
  assert.ok(again.lines.some(({ type, status }) => type === "file" && status === "sent"))

  const { Mounts } = await inspect<{ Mounts: { Destination: string }[] }>(container)
  assert.ok(Mounts.some(({ Destination }) => Destination === component.containerData))
  assertNoLeaks([marker], await onlookersView([container], since))
})
