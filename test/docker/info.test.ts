import assert from "node:assert/strict"
import { test } from "node:test"
import { engineInfo } from "../../src/docker/info.ts"
import { docker } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { openEngine, startFakeEngine } from "./support.ts"

test("agrees with docker info", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const info = await engineInfo(await openEngine(t), t.signal)
  const format = "{{.ID}}|{{.Name}}|{{.ServerVersion}}|{{.DockerRootDir}}|{{.OSType}}|{{.CgroupVersion}}"
  const { id, name, serverVersion, dataRoot, osType, cgroupVersion } = info
  const told = [id, name, serverVersion, dataRoot, osType, cgroupVersion].join("|")
  assert.equal(told, await docker(["info", "--format", format]))
  assert.ok(Math.abs(Date.parse(info.systemTime) - Date.now()) < 60_000)
})

test("a rootless engine, one with user remapping and an empty answer are distinguished", async (t) => {
  const answers = [
    { SecurityOptions: ["name=seccomp,profile=default", "name=rootless"] },
    { SecurityOptions: ["name=userns"], Swarm: { LocalNodeState: "active" } },
    { SecurityOptions: null },
  ]
  const engine = await openEngine(
    t,
    await startFakeEngine(t, (_, response) => response.end(JSON.stringify(answers.shift()))),
  )
  const found = []
  for (let call = 0; call < 3; call++) {
    const { rootless, usernsRemap, swarmActive } = await engineInfo(engine, t.signal)
    found.push([rootless, usernsRemap, swarmActive])
  }
  assert.deepEqual(found, [
    [true, false, false],
    [false, true, true],
    [false, false, false],
  ])
})
