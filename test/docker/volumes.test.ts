import assert from "node:assert/strict"
import { after, test } from "node:test"
import { statusOf } from "../../src/docker/refusal.ts"
import { inspectVolume } from "../../src/docker/volumes.ts"
import { cleanUp, docker, labels, run, tmpfsVolume } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { openEngine } from "./support.ts"

after(cleanUp)

test("a tmpfs volume is recognized by its options, and a plain one has none", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const name = await tmpfsVolume("mem", "size=1m,uid=999")
  const { mountpoint, labels: found, ...rest } = await inspectVolume(engine, name, t.signal)
  const options = { type: "tmpfs", device: "tmpfs", o: "size=1m,uid=999" }
  assert.deepEqual(rest, { name, driver: "local", options })
  assert.match(mountpoint, new RegExp(`/${name}/`))
  assert.equal(found["purser.test"], run)
  const plain = await docker(["volume", "create", ...labels, `${run}-plain`])
  assert.deepEqual((await inspectVolume(engine, plain, t.signal)).options, {})
})

test("a missing volume is ERR_DOCKER with 404, and no name leads to another path of the API", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  await assert.rejects(inspectVolume(engine, "purser-no-such", t.signal), (error) => statusOf(error) === 404)
  for (const name of ["", "..", "a/../b", "a?b"]) {
    await assert.rejects(inspectVolume(engine, name, t.signal), { code: "ERR_DOCKER" })
  }
})
