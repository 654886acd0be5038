import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { stringify } from "yaml"
import { appName, imageId } from "../../agent/targets/container/support.ts"
import { cleanUp, compose, docker, dockerOutput, labelsAsObject, run } from "../../support/docker.ts"
import { assertNoLeaks, createMarker } from "../../support/leaks.ts"
import { shellImage } from "../../support/base-image.ts"
import { processes } from "../../support/processes.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"

/** `purser agent` with containers: what a Compose file's labels ask for, and what purser.yaml allows. */

after(cleanUp)

test("a Compose file's labels say what goes where; a line that the agent prints allows it", async (t) => {
  if (!(await requireService(t, "docker", "root", "compose"))) return
  const [cast, image, app] = [await processes(t), await shellImage(), appName()]
  const [first, second] = [createMarker(), createMarker()]
  await cast.purser(["secret", "set", "db-password"], first)
  const config = join(cast.base, "purser.yaml")
  const apps = (image: string): string =>
    stringify({
      secrets: { "db-password": "store" },
      apps: { [app]: { secrets: ["db-password"], containers: { image: [image] } } },
    })
  await writeFile(config, apps(`sha256:${"0".repeat(64)}`))
  const file = join(cast.base, "compose.yaml")
  const command = ["sh", "-c", "trap 'echo hup' HUP; while :; do sleep 1 & wait $$!; done"]
  const web = {
    image,
    user: "app",
    init: false,
    tmpfs: "/run/secrets",
    command,
    stop_grace_period: "0s",
    labels: {
      ...labelsAsObject,
      "purser.app": app,
      "purser.files": "# of the database\ndb-password path=/run/secrets/db mode=0440\n",
      "purser.reload": "HUP",
    },
  }
  await writeFile(file, stringify({ services: { web }, networks: { default: { labels: labelsAsObject } } }))
  const up = compose(t, file, "labels")
  await up("up", "--detach")
  const id = await docker([
    "ps",
    "--quiet",
    "--no-trunc",
    `--filter=label=com.docker.compose.project=${up.id}`,
  ])

  const refused = await cast.run(["agent", "--config", config, "--once"])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /asks for .* and gets nothing: .*its image is not listed/)
  assert.match(
    refused.stderr,
    new RegExp(`hint: .*apps: \\{ ${app}: .*${await imageId(image)}\\] \\} \\} \\}\n`),
  )
  assert.match(refused.stderr, new RegExp(`no target of ${app} was found\nhint: no running container`))

  await writeFile(config, apps(await imageId(image)))
  const agent = cast.start(["agent", "--config", config, "--json"])
  await agent.wrote("stdout", /"type":"delivery".*"status":"ok"/)
  const read = (): Promise<string> => docker(["exec", id, "cat", "/run/secrets/db"])
  assert.equal(await read(), first)
  await cast.purser(["secret", "set", "db-password"], second)
  await waitFor("the new content", async () => (await read()) === second)
  await waitFor("the signal", async () => /^hup$/m.test((await dockerOutput(["logs", id])).stdout))
  await up("restart", "--timeout=0", "web")
  await waitFor("the delivery after the restart", async () => (await read().catch(() => "")) === second)
  const [delivery] = agent.lines().filter(({ type }) => type === "delivery")
  assert.deepEqual([delivery?.["container"], delivery?.["target"]], [id, `${up.id}-web-1`])
  assert.equal(await agent.stop(), 0)

  assertNoLeaks(
    [first, second],
    [
      ...cast.said,
      { name: "inspect", content: await docker(["inspect", id]) },
      { name: "layer", content: await docker(["diff", id]) },
      { name: "names", content: run },
    ],
  )
})
