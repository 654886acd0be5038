import assert from "node:assert/strict"
import { after, test } from "node:test"
import { inspectContainer } from "../../src/docker/containers.ts"
import {
  connectNetwork,
  createNetwork,
  disconnectNetwork,
  inspectNetwork,
  listNetworks,
  removeNetwork,
} from "../../src/docker/networks.ts"
import { statusOf } from "../../src/docker/refusal.ts"
import { shellImage } from "../support/base-image.ts"
import { cleanUp, labelsAsObject, run, startContainer } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { openEngine } from "./support.ts"

after(cleanUp)

test("a temporary internal network is created, joined, left and removed", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const name = `${run}-temporary`
  const container = await startContainer(t, await shellImage(), ["sleep", "600"], ["--network=none"])
  const id = await createNetwork(engine, { name, internal: true, labels: labelsAsObject }, t.signal)
  t.after(() => removeNetwork(engine, id, AbortSignal.timeout(20_000)))
  const made = await inspectNetwork(engine, name, t.signal)
  assert.deepEqual([made.id, made.name, made.internal, made.driver], [id, name, true, "bridge"])
  assert.equal(made.labels["purser.test"], run)
  assert.match(made.subnets[0]?.gateway ?? "", /^\d+\.\d+\.\d+\.1$/)
  assert.deepEqual(made.containers, {})

  // A container with --network=none cannot join another network.
  await assert.rejects(connectNetwork(engine, id, container, t.signal), { code: "ERR_DOCKER" })
  const other = await startContainer(t, await shellImage(), ["sleep", "600"], [`--network=${name}`])
  await disconnectNetwork(engine, id, other, t.signal)
  assert.deepEqual((await inspectContainer(engine, other, t.signal)).networks, {})
  await connectNetwork(engine, id, other, t.signal)
  const { containers } = await inspectNetwork(engine, id, t.signal)
  const { networks } = await inspectContainer(engine, other, t.signal)
  assert.deepEqual(Object.keys(containers), [other])
  assert.equal(containers[other]?.ipv4Address.split("/")[0], networks[name]?.ipAddress)

  await assert.rejects(removeNetwork(engine, id, t.signal), { code: "ERR_DOCKER" }, "in use")
  await disconnectNetwork(engine, id, other, t.signal)
  await disconnectNetwork(engine, id, other, t.signal)
  await removeNetwork(engine, id, t.signal)
  await removeNetwork(engine, id, t.signal)
  await disconnectNetwork(engine, id, other, t.signal)
  await assert.rejects(inspectNetwork(engine, id, t.signal), (error) => statusOf(error) === 404)
})

test("finds networks by their labels", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const engine = await openEngine(t)
  const name = `${run}-labelled`
  const id = await createNetwork(engine, { name, labels: { ...labelsAsObject, left: run } }, t.signal)
  t.after(() => removeNetwork(engine, id, AbortSignal.timeout(20_000)))
  const found = await listNetworks(engine, { labels: [`left=${run}`] }, t.signal)
  assert.deepEqual(found, [{ id, name, labels: { ...labelsAsObject, left: run } }])
  await assert.rejects(createNetwork(engine, { name }, t.signal), (error) => statusOf(error) === 409)
  await assert.rejects(inspectNetwork(engine, "../info", t.signal), { code: "ERR_DOCKER" })
})
