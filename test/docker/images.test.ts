import assert from "node:assert/strict"
import { after, test } from "node:test"
import { imageHistory, inspectImage, listImages } from "../../src/docker/images.ts"
import { imageWith, shellImage } from "../support/base-image.ts"
import { cleanUp } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { openEngine } from "./support.ts"

after(cleanUp)

test("an image's config and history match its Dockerfile", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const tag = await imageWith(await shellImage(), "config", {}, [
    "LABEL purser.app=web",
    "ENV COLOUR=blue",
    "USER 1000:1001",
    "VOLUME /data",
    'HEALTHCHECK CMD ["true"]',
    'ENTRYPOINT ["/bin/sleep"]',
    'CMD ["600"]',
  ])
  const found = await inspectImage(engine, tag, t.signal)
  assert.match(found.id, /^sha256:[0-9a-f]{64}$/)
  assert.deepEqual(found.repoTags, [tag])
  assert.deepEqual([found.user, found.labels["purser.app"]], ["1000:1001", "web"])
  assert.deepEqual([found.entrypoint, found.command, found.volumes], [["/bin/sleep"], ["600"], ["/data"]])
  assert.deepEqual(found.healthcheck, ["CMD", "true"])
  assert.ok(found.env.includes("COLOUR=blue"))
  assert.ok(Date.parse(found.created) > 0 && found.os === "linux" && found.architecture !== "")
  const history = await imageHistory(engine, found.id, t.signal)
  const steps = history.map(({ createdBy }) => createdBy).join("\n")
  assert.match(steps, /CMD \["600"\][^]*COLOUR=blue/, "newest first")
  assert.ok(history.every(({ createdMs, sizeBytes }) => createdMs >= 0 && sizeBytes >= 0))
  const listed = (await listImages(engine, t.signal)).find(({ id }) => id === found.id)
  assert.deepEqual([listed?.repoTags, listed?.labels["purser.app"]], [[tag], "web"])
})

test("an unknown image is ERR_NO_SUCH_IMAGE, and no name leads to another path of the API", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const names = [
    "purser-no-such",
    "no/such/image:1",
    "registry.example:5000/a/b:c",
    `a@sha256:${"0".repeat(64)}`,
  ]
  for (const name of [...names, "", "..", "../info", "a/../../info", "a//b", "a?b", "/a"]) {
    await assert.rejects(inspectImage(engine, name, t.signal), { code: "ERR_NO_SUCH_IMAGE" }, name)
    await assert.rejects(imageHistory(engine, name, t.signal), { code: "ERR_NO_SUCH_IMAGE" }, name)
  }
})
