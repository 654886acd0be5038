import assert from "node:assert/strict"
import { after, test } from "node:test"
import { appConfig, type TestAgent } from "../../../support/pair.ts"
import { imageWith, shelllessImage } from "../../../support/base-image.ts"
import { cleanUp, docker, dockerOutput, startContainer } from "../../../support/docker.ts"
import { parseFileLines } from "../../../../src/files/file-line.ts"
import { parseReload } from "../../../../src/rollout/reload.ts"
import { requireService } from "../../../support/services.ts"
import { waitFor } from "../../../support/wait.ts"
import {
  appName,
  connect,
  countOf,
  deliveredTo,
  exists,
  hups,
  imageId,
  labelled,
  read,
  ready,
  rule,
  stage,
  tellsHup,
  tmpfs,
} from "./support.ts"

/** What a container gets from an agent, and what it does not. */

after(cleanUp)

const secret = "/run/secrets/db-password"

const auditOf = async (place: { audit: () => Promise<Record<string, unknown>[]> }, id: string) =>
  (await place.audit()).filter(({ container }) => container === id)

test("one round delivers what a container's labels ask for, verified, to the user that it runs as", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, place, app } = await stage(t)
  const id = await start({ "purser.files": "db-password path=/run/secrets/db mode=0440 owner=db:app" }, [
    "--user=app",
    "--read-only",
    "--cap-drop=ALL",
  ])
  const opened = await agent()
  const [delivery] = await opened.round()
  assert.deepEqual([delivery?.status, delivery?.container, delivery?.sent], ["ok", id, 1])
  assert.equal(
    await docker(["exec", "--user=0", id, "stat", "-c", "%u:%g %a", "/run/secrets/db"]),
    "999:1000 440",
  )
  assert.deepEqual(
    (await auditOf(place, id)).map(({ kind, app: of, secret: name }) => [kind, of, name]),
    [["delivered", app, "db-password"]],
  )
  const [again] = await opened.round()
  assert.deepEqual([again?.status, again?.sent, again?.matched], ["ok", 0, 1])
  assert.equal((await auditOf(place, id)).length, 1)
})

test("without file lines it gets everything granted, and never what is not", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, place } = await stage(t)
  const secrets = { "db-password": "swordfish", "tls/key": "key", other: "not yours" }
  const all = await start({}, ["--user=app"])
  const greedy = await start({ "purser.files": "db-password\nother" })
  const opened = await agent({ secrets: ["db-password", "tls/*"] }, { secrets })
  const deliveries = await opened.round()
  assert.equal(await read(all, "/run/secrets/tls/key"), "key")
  assert.equal(await docker(["exec", all, "stat", "-c", "%u %a", secret]), "1000 400")
  assert.equal(await read(greedy, secret), "swordfish")
  assert.equal(await exists(greedy, "/run/secrets/other"), false)
  const failed = deliveries.find(({ container }) => container === greedy)
  assert.deepEqual([failed?.status, failed?.error?.code], ["failed", "ERR_DELIVERY"])
  await opened.round()
  assert.deepEqual(
    (await auditOf(place, greedy))
      .map(({ kind, secret: name }) => `${kind as string} ${name as string}`)
      .toSorted(),
    ["delivered db-password", "denied other"],
    "said once for this start",
  )
})

test("what somebody removed or changed in the container is delivered again, and each time written down", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, place } = await stage(t)
  const id = await start()
  const opened = await agent()
  await opened.round()
  await docker(["exec", id, "rm", secret])
  assert.equal((await opened.round())[0]?.sent, 1)
  await docker(["exec", id, "sh", "-c", `echo mine > ${secret}`])
  assert.equal((await opened.round())[0]?.sent, 1)
  assert.equal(await read(id, secret), "swordfish")
  assert.deepEqual(
    (await auditOf(place, id)).map(({ kind }) => kind),
    ["delivered", "delivered", "delivered"],
  )
})

test("labels of its image ask in vain, and without a word", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, image, app, place, config } = await stage(t)
  const labelledImage = await imageWith(image, `asks-${app}`, {}, [
    `LABEL purser.app=${app} purser.files=db-password`,
  ])
  const id = await startContainer(t, labelledImage, tellsHup, [tmpfs])
  const containers = rule({ images: [...(config().containers?.images ?? []), await imageId(labelledImage)] })
  const opened = await agent({ containers })
  assert.deepEqual(await opened.round(), [])
  assert.equal(await exists(id, secret), false)
  assert.deepEqual(await auditOf(place, id), [])
})

test("a container whose image is not named gets nothing; a warning with the line to paste and one audit line say so", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, place, image, app, config } = await stage(t)
  const id = await start()
  const nobody = `sha256:${"0".repeat(64)}`
  const opened = await agent({ containers: rule({ images: [nobody] }) })
  assert.deepEqual(await opened.round(), [])
  assert.deepEqual(await opened.round(), [])
  assert.equal(await exists(id, secret), false)
  const lines = await auditOf(place, id)
  assert.deepEqual(
    lines.map(({ kind, app: of, image: what }) => [kind, of, what]),
    [["rejected", app, await imageId(image)]],
  )
  assert.match(
    opened.text(),
    new RegExp(`apps: \\{ ${app}: .*image: \\[${nobody}, ${await imageId(image)}\\]`),
  )
  assert.equal(opened.text().split(`asks for "${app}" and gets nothing`).length, 2)
  await opened.agent.replacePlan({ ...opened.plan({ apps: { [app]: config() } }), connectEngine: connect() })
  assert.equal((await opened.round())[0]?.status, "ok", "after the line was pasted")
})

test("an image without a shell gets its secret too, and its signal", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, app } = await stage(t)
  const image = await shelllessImage()
  const program =
    "process.on('SIGHUP', () => console.log('hup')); setInterval(() => {}, 1e6); console.log('ready')"
  const labels = labelled({ "purser.app": app, "purser.reload": "HUP" })
  const id = await startContainer(t, image, ["node", "-e", program], [tmpfs, "--user=app", ...labels])
  await ready(id)
  const opened = await agent({ containers: rule({ images: [await imageId(image)] }) })
  await opened.round()
  assert.equal(await hups(id), 0, "nobody can have read what was not there")
  opened.catalogue.set("db-password", "two")
  assert.equal((await opened.round())[0]?.sent, 1)
  await waitFor("the signal", async () => (await hups(id)) === 1)
})

test("two apps go into their own containers, and into one that both rules name", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { place, image, app } = await stage(t)
  const [first, second] = [app, appName()]
  const options = labelled({ tier: app })
  const both = await startContainer(t, image, tellsHup, [tmpfs, ...options])
  const one = await startContainer(t, image, tellsHup, [tmpfs, ...options, `--label=purser.app=${second}`])
  const containers = rule({ images: [await imageId(image)], labels: { tier: app } })
  const config = (name: string, granted: string) =>
    appConfig(name, { containers, secrets: [granted], files: parseFileLines(granted) })
  const opened = await place.agent({
    secrets: { a: "of a", b: "of b" },
    apps: { [first]: config(first, "a"), [second]: config(second, "b") },
    plan: { connectEngine: connect() },
  })
  const deliveries = await opened.round()
  assert.deepEqual(
    deliveries.map(({ status }) => status),
    ["ok", "ok", "ok"],
  )
  assert.equal(await read(both, "/run/secrets/a"), "of a")
  assert.equal(await read(both, "/run/secrets/b"), "of b")
  assert.equal(await read(one, "/run/secrets/b"), "of b")
  assert.equal(await exists(one, "/run/secrets/a"), false)
})

test("what would lie on a disk is refused unless that is written out, and the hint says what to do", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, image, app, config } = await stage(t)
  const id = await startContainer(t, image, tellsHup, [`--label=purser.app=${app}`])
  const refusing = await agent()
  const [failed] = await refusing.round()
  assert.deepEqual([failed?.status, failed?.error?.code], ["failed", "ERR_DISK"])
  assert.match(failed?.error?.hint ?? "", /tmpfs: \/run\/secrets.*require_tmpfs: false/)
  assert.equal(await exists(id, secret), false)
  await refusing[Symbol.asyncDispose]()
  const { images } = config().containers ?? {}
  const allowing = await agent({ containers: rule({ images, requireTmpfs: false }) })
  assert.equal((await allowing.round())[0]?.status, "ok")
})

test("a restart as reload: in a round the container has its secrets after it too", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const id = await start({ "purser.reload": "restart" }, ["--stop-timeout=1"])
  const opened = await agent()
  await opened.round()
  assert.equal(await docker(["inspect", "--format={{.RestartCount}} {{.State.Running}}", id]), "0 true")
  opened.catalogue.set("db-password", "two")
  const before = await docker(["inspect", "--format={{.State.StartedAt}}", id])
  assert.equal((await opened.round())[0]?.status, "ok")
  assert.notEqual(await docker(["inspect", "--format={{.State.StartedAt}}", id]), before)
  assert.equal(await read(id, secret), "two")
})

test("a command in the container as reload; one that fails is owed, and tried again", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const reload = parseReload("exec:test -e /tmp/may && cat /run/secrets/db-password >> /tmp/seen")
  const id = await start()
  const opened = await agent({ reload })
  await opened.round()
  opened.catalogue.set("db-password", "two")
  const [failed] = await opened.round()
  assert.deepEqual([failed?.status, failed?.error?.code, failed?.sent], ["failed", "ERR_RELOAD", 1])
  await docker(["exec", id, "touch", "/tmp/may"])
  const [paid] = await opened.round()
  assert.deepEqual([paid?.status, paid?.sent, paid?.matched], ["ok", 0, 1])
  assert.equal(await read(id, "/tmp/seen"), "two")
  await opened.round()
  assert.equal(await read(id, "/tmp/seen"), "two", "once")
})

test("a reload that a crash kept from happening is run by the next agent, and dropped for another start", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, place, app } = await stage(t)
  const id = await ready(await start({ "purser.reload": "HUP" }))
  const once = async (content: string): Promise<void> => {
    await using opened: TestAgent = await agent({}, { secrets: { "db-password": content } })
    assert.equal((await opened.round())[0]?.status, "ok")
  }
  const crash = async (): Promise<void> => {
    const startedAt = await docker(["inspect", "--format={{json .State.StartedAt}}", id])
    await place.withState(({ state }) =>
      state.containers.remember(
        { app, id, startedAt: JSON.parse(startedAt) as string },
        { isComplete: true, pendingReload: "HUP" },
      ),
    )
  }
  await once("one")
  await crash()
  await once("one")
  await waitFor("the signal", async () => (await hups(id)) === 1)
  await crash()
  await docker(["restart", "--time=1", id])
  await once("one")
  assert.equal(await read(id, secret), "one")
  assert.equal(await hups(id), 1)
  await once("two")
  await waitFor("the next signal", async () => (await hups(id)) === 2)
})

test("the agent killed between the new content and its reload: the next one reloads", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  // Holds the reload up, as a crash in it would.
  const reload = parseReload("exec:if test -e /tmp/hold; then sleep 60; fi; echo x >> /tmp/done")
  const id = await start()
  const first = await agent({ reload })
  await first.round()
  await docker(["exec", id, "touch", "/tmp/hold"])
  first.catalogue.set("db-password", "two")
  const round = first.round().catch(() => [])
  await waitFor("the new content", async () => (await read(id, secret)) === "two")
  await first[Symbol.asyncDispose]()
  await round
  await docker(["exec", id, "rm", "/tmp/hold"])
  const next = await agent({ reload }, { secrets: { "db-password": "two" } })
  const [delivery] = await next.round()
  assert.deepEqual([delivery?.status, delivery?.sent, delivery?.matched], ["ok", 0, 1])
  assert.equal((await dockerOutput(["exec", id, "cat", "/tmp/done"])).stdout, "x\n")
})

test("a secret that its source lacks fails the delivery and keeps no other from coming", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const id = await start({ "purser.files": "db-password\nlater" })
  const opened = await agent({ secrets: ["*"] })
  const [failed] = await opened.round()
  assert.deepEqual([failed?.error?.code, failed?.sent, failed?.missing], ["ERR_DELIVERY", 1, 1])
  assert.ok(deliveredTo(id, "failed")(failed ?? assert.fail()))
  opened.catalogue.set("later", "now")
  assert.equal((await opened.round())[0]?.status, "ok")
  assert.equal(await read(id, "/run/secrets/later"), "now")
  assert.equal(countOf(opened, id), 2)
})
