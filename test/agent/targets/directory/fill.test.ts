import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import type { AppConfig } from "../../../../src/apps/config.ts"
import { checkHealth } from "../../../../src/node/health.ts"
import { PurserError } from "../../../../src/base/errors.ts"
import { temporaryIn } from "../../../../src/base/atomic-file.ts"
import { parseFileLines } from "../../../../src/files/file-line.ts"
import { parseReload } from "../../../../src/rollout/reload.ts"
import { appConfig, home, type AgentSettings } from "../../../support/pair.ts"
import { tempDir } from "../../../support/temp.ts"

/** Directories beside the agent: the same writing as a node's, without a wire between; and their health. */

async function stage(t: TestContext, app: Partial<AppConfig> = {}, settings: AgentSettings = {}) {
  const place = await home(t)
  const base = await tempDir(t)
  const directory = join(base, "out")
  const statusFile = join(base, "status.json")
  const agent = await place.agent({
    app: { directory, ...app },
    secrets: { "db-password": "swordfish", "tls/key": "key" },
    statusFile,
    ...settings,
  })
  const health = (): Promise<string> =>
    checkHealth(statusFile).then(
      () => "good",
      (error: Error) => error.message,
    )
  return { place, base, directory, agent, health }
}

test("without file lines everything that is granted comes, below directories of its own", async (t) => {
  const { agent, directory } = await stage(t, { secrets: ["*"] })
  const [delivery] = await agent.round()
  assert.deepEqual([delivery?.status, delivery?.target, delivery?.sent], ["ok", directory, 2])
  assert.equal(await readFile(join(directory, "tls/key"), "utf8"), "key")
  assert.deepEqual(
    agent.events.flatMap((event) => (event.type === "file" ? [`${event.status} ${event.secret}`] : [])),
    ["sent db-password", "sent tls/key"],
  )
})

test("with file lines these come, and only these; nothing to do the second time", async (t) => {
  const { agent, directory } = await stage(t, {
    secrets: ["*"],
    files: parseFileLines(["tls/key path=server.key"]),
  })
  assert.equal((await agent.round())[0]?.sent, 1)
  assert.deepEqual(await readdir(directory), ["server.key"])
  const [second] = await agent.round()
  assert.deepEqual([second?.sent, second?.matched], [0, 1])
})

test("what is not granted is denied and audited, also into a directory of our own", async (t) => {
  const { agent, place, directory } = await stage(t, { files: parseFileLines(["tls/key"]) })
  const [delivery] = await agent.round()
  assert.match(delivery?.error?.message ?? "", /not delivered into .*: tls\/key/)
  assert.deepEqual(
    (await place.audit()).map(({ kind, secret, directory: at }) => [kind, secret, at]),
    [["denied", "tls/key", directory]],
  )
  assert.ok(!existsSync(join(directory, "tls")))
})

test("a source that fails lets the other files be written, and says so", async (t) => {
  const { agent, directory } = await stage(t, { secrets: ["*"] })
  agent.catalogue.onRead = (name) => {
    if (name === "tls/key") throw new PurserError("ERR_SOURCE", "pass ended with exit code 1")
  }
  const [delivery] = await agent.round()
  assert.equal(delivery?.status, "failed")
  assert.match(agent.text(), /error: pass ended with exit code 1/)
  assert.deepEqual(await readdir(directory), ["db-password"])
})

test("a reload runs after a change, and its failure is the delivery's, until it succeeds", async (t) => {
  const base = await tempDir(t)
  const marker = join(base, "works")
  const log = join(base, "reloads")
  const { agent } = await stage(t, { reload: parseReload(`exec:echo ran >> ${log}; test -e ${marker}`) }, {})
  assert.equal((await agent.round())[0]?.status, "ok", "nobody uses the files yet")
  agent.catalogue.set("db-password", "two")
  assert.equal((await agent.round())[0]?.error?.code, "ERR_RELOAD")
  assert.equal((await agent.round())[0]?.error?.code, "ERR_RELOAD", "it stays owed")
  await writeFile(marker, "")
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal(await readFile(log, "utf8"), "ran\n".repeat(3))
})

test("a link where a file or a directory should be is refused, and what it leads to is left alone", async (t) => {
  const { agent, directory, base } = await stage(t, { secrets: ["*"] })
  const victim = join(base, "victim")
  await mkdir(victim)
  await mkdir(directory)
  await symlink(victim, join(directory, "tls"))
  const [delivery] = await agent.round()
  assert.equal(delivery?.error?.code, "ERR_TARGET")
  assert.deepEqual(await readdir(victim), [])
  assert.deepEqual(await readdir(directory), ["tls"], "and the set is written whole or not at all")
})

test("what an agent that was killed left half-written is removed", async (t) => {
  const { agent, directory } = await stage(t)
  await mkdir(directory)
  await writeFile(temporaryIn(directory), "half")
  await agent.round()
  assert.deepEqual(await readdir(directory), ["db-password"])
})

test("health: with file lines good as soon as they are there, without once a delivery was complete", async (t) => {
  const listed = await stage(t, { files: parseFileLines(["db-password", "tls/key optional"]) })
  const unlisted = await stage(t)
  for (const [{ agent, health, directory }, before] of [
    [listed, /not in place: .*out\/db-password$/],
    [unlisted, /no delivery was complete yet/],
  ] as const) {
    assert.match(await health(), /no status/)
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    agent.catalogue.onRead = () => {
      begun.resolve()
      return release.promise
    }
    const { stop } = agent.run()
    await begun.promise
    assert.match(await health(), before)
    release.resolve()
    await agent.event((event) => event.type === "delivery")
    assert.equal(await health(), "good")
    await rm(join(directory, "db-password"))
    assert.match(await health(), /not in place: .*out\/db-password$/)
    await stop()
    assert.match(await health(), /no status/)
  }
})

test("health: every directory has to be complete, and one that a new plan brings has to be too", async (t) => {
  const { agent, health, base, directory } = await stage(t)
  agent.run()
  await agent.event((event) => event.type === "delivery")
  assert.equal(await health(), "good")
  const apps = (secret: string): AgentSettings => ({
    apps: {
      web: appConfig("web", { directory }),
      db: appConfig("db", { directory: join(base, "db"), secrets: [secret] }),
    },
  })
  await agent.agent.replacePlan(agent.plan(apps("later")))
  await agent.event((event) => event.type === "delivery" && event.app === "db")
  assert.match(await health(), /no delivery was complete yet/)
  agent.catalogue.set("later", "now")
  await agent.event((event) => event.type === "delivery" && event.app === "db" && event.status === "ok")
  assert.equal(await health(), "good")
})

test("health: an agent that fills no directory is good while it runs", async (t) => {
  const { agent, health } = await stage(t, { directory: undefined })
  const { stop } = agent.run()
  await agent.agent.replacePlan(agent.plan({}))
  assert.equal(await health(), "good")
  await stop()
  assert.match(await health(), /no status/)
})

test("that the status cannot be written any more fails no delivery, and is said", async (t) => {
  const { agent, directory, base } = await stage(t)
  const begun = Promise.withResolvers<void>()
  agent.catalogue.onRead = async () => {
    await rm(join(base, "status.json"))
    await mkdir(join(base, "status.json", "in-the-way"), { recursive: true })
    begun.resolve()
  }
  const { stop } = agent.run()
  await begun.promise
  const delivery = await agent.event((event) => event.type === "delivery")
  assert.ok(delivery.type === "delivery" && delivery.status === "ok")
  assert.match(agent.text(), /cannot write the status for purser health/)
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "swordfish")
  await stop()
  assert.match(agent.text(), /cannot remove the status/)
})
