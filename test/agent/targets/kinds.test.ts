import assert from "node:assert/strict"
import { EventEmitter } from "node:events"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import type { AgentEvent, DeliveryEvent } from "../../../src/agent/delivery/events.ts"
import type { FoundTargets, OpenTargetKind, TargetKind } from "../../../src/agent/targets/kind.ts"
import { targetKeys, targetKinds } from "../../../src/agent/targets/kinds.ts"
import type { Target } from "../../../src/agent/targets/target.ts"
import { PurserError } from "../../../src/base/errors.ts"
import { appConfig, home, type AgentSettings } from "../../support/pair.ts"
import { tempDir } from "../../support/temp.ts"
import { waitFor } from "../../support/wait.ts"

/** A kind of target that Purser does not have: one object, and one element of the list. */

interface ShelfTarget extends Target {
  readonly kind: "shelf"
  readonly shelf: string
}

/** Shelves in memory, onto which secrets are put. */
class Shelves {
  /** By `app/shelf`. */
  readonly contents = new Map<string, Map<string, string>>()
  /** Thrown by deliveries. */
  readonly failures = new Map<string, PurserError>()
  readonly changes = new EventEmitter<{ change: [] }>()
  /** How many kinds are open. */
  opened = 0

  constructor(...names: readonly string[]) {
    for (const name of names) this.contents.set(name, new Map())
  }

  readonly kind: TargetKind<ShelfTarget> = {
    name: "shelf",
    appKey: "shelves",
    isFor: ({ name }) => this.contents.has(`${name}/top`),
    key: ({ app, shelf }) => `${app}/${shelf}`,
    create: () => ({ open: ({ apps }, found) => this.#open(Object.keys(apps), found) }),
    warnings: ({ name, maxNodes }) =>
      maxNodes === 1 ? [{ message: `${name} has few shelves`, hint: "build more" }] : [],
  }

  #open(apps: readonly string[], found: FoundTargets<ShelfTarget>): OpenTargetKind<ShelfTarget> {
    this.opened++
    const add = (): void => this.#add(apps, found)
    return {
      find: async () => add(),
      watch: (signal) => {
        add()
        this.changes.on("change", add)
        signal.addEventListener("abort", () => this.changes.off("change", add))
      },
      deliver: async ({ app, shelf }, delivery, signal) => {
        const place = `${app}/${shelf}`
        const contents = this.contents.get(place)
        if (contents === undefined) return
        delivery.start({ target: place })
        const failure = this.failures.get(place)
        if (failure !== undefined) throw failure
        for (const secret of await delivery.secrets.names(signal)) {
          const content = await delivery.secrets.read(secret, signal)
          const isSame = content !== null && contents.get(secret) === content.revealText()
          const status = content === null ? "missing" : isSame ? "match" : "sent"
          const asked = { app, directory: place, secret }
          await delivery.record(asked, { status, content: content ?? undefined })
          if (content !== null) contents.set(secret, content.revealText())
          delivery.tell(secret, status)
        }
        if (!contents.has("db-password")) throw new PurserError("ERR_DELIVERY", `${place} is incomplete`)
      },
      isAway: ({ code }) => code === "ERR_NOT_RUNNING",
      [Symbol.asyncDispose]: async () => void this.opened--,
    }
  }

  #add(apps: readonly string[], found: FoundTargets<ShelfTarget>): void {
    found.keepOnly(({ app, shelf }) => this.contents.has(`${app}/${shelf}`))
    for (const place of this.contents.keys()) {
      const [app = "", shelf = ""] = place.split("/")
      if (apps.includes(app)) found.add({ kind: "shelf", app, shelf })
    }
  }
}

async function stage(t: TestContext, shelves: Shelves, settings: AgentSettings = {}) {
  const place = await home(t)
  const agent = await place.agent({ kinds: [...targetKinds, shelves.kind], ...settings })
  const deliveries = (target: string): DeliveryEvent[] =>
    agent.events.filter((event) => event.type === "delivery" && event.target === target) as DeliveryEvent[]
  return { place, agent, deliveries }
}

const isDelivery =
  (target: string, status: DeliveryEvent["status"]) =>
  (event: AgentEvent): event is DeliveryEvent =>
    event.type === "delivery" && event.target === target && event.status === status

test("a round serves another kind beside the others, and tells and audits what came of it", async (t) => {
  const shelves = new Shelves("web/top")
  const directory = join(await tempDir(t), "out")
  const { agent, place } = await stage(t, shelves, { app: { directory, secrets: ["db-password", "gone"] } })
  const deliveries = await agent.round()
  assert.deepEqual(
    new Map(deliveries.map(({ target, status }) => [target, status])),
    new Map([
      ["web/top", "ok"],
      [directory, "failed"],
    ]),
  )
  assert.equal(shelves.contents.get("web/top")?.get("db-password"), "swordfish")
  const events = agent.events.filter(({ target }) => target === "web/top")
  assert.deepEqual(
    events.map((event) => (event.type === "file" ? [event.status, event.secret] : event.type)),
    ["start", ["sent", "db-password"], ["missing", "gone"], "delivery"],
  )
  const delivery = deliveries.find(({ target }) => target === "web/top")
  assert.deepEqual([delivery?.sent, delivery?.matched, delivery?.missing], [1, 0, 1])
  const lines = (await place.audit()).filter((line) => line["directory"] === "web/top")
  assert.deepEqual(
    lines.map(({ kind, secret, content }) => [kind, secret, typeof content]),
    [
      ["delivered", "db-password", "string"],
      ["missing", "gone", "undefined"],
    ],
  )
  assert.equal((await agent.round()).find(({ target }) => target === "web/top")?.matched, 1)
  assert.equal(shelves.opened, 0, "each round closes what it opens")
})

test("a target of another kind that fails is told, and served again by itself", async (t) => {
  const shelves = new Shelves("web/top", "web/low")
  shelves.failures.set("web/top", new PurserError("ERR_TARGET", "the shelf has fallen"))
  const { agent } = await stage(t, shelves)
  agent.run()
  const failed = await agent.event(isDelivery("web/top", "failed"))
  assert.equal(failed.error?.message, "the shelf has fallen")
  await agent.event(isDelivery("web/low", "ok"))
  shelves.failures.clear()
  await agent.event(isDelivery("web/top", "ok"))
  assert.equal(shelves.contents.get("web/top")?.get("db-password"), "swordfish")
})

test("another kind is served when a secret of its app changes, and when it finds more", async (t) => {
  const shelves = new Shelves("web/top")
  const { agent, deliveries } = await stage(t, shelves)
  agent.run()
  await agent.event(isDelivery("web/top", "ok"))
  agent.catalogue.set("db-password", "two")
  await waitFor("the second delivery", () => deliveries("web/top").length === 2)
  assert.equal(shelves.contents.get("web/top")?.get("db-password"), "two")
  shelves.contents.set("web/new", new Map())
  shelves.changes.emit("change")
  await agent.event(isDelivery("web/new", "ok"))
  assert.equal(deliveries("web/top").length, 2, "a target that is found again is not due for that")
})

test("a plan that replaces another serves another kind anew, without what is gone", async (t) => {
  const shelves = new Shelves("web/top", "web/low", "db/top")
  const secrets = { "db-password": "swordfish", "tls.key": "key" }
  const apps = { web: appConfig("web"), db: appConfig("db") }
  const { agent, deliveries } = await stage(t, shelves, { secrets, apps })
  const { stop } = agent.run()
  for (const place of ["web/top", "web/low", "db/top"]) await agent.event(isDelivery(place, "ok"))
  shelves.contents.delete("web/low")
  const granted = { web: appConfig("web", { secrets: ["db-password", "tls.key"] }) }
  await agent.agent.replacePlan(agent.plan({ apps: granted }))
  await waitFor("what is granted now", () => shelves.contents.get("web/top")?.get("tls.key") === "key")
  assert.equal(shelves.opened, 1, "the previous plan's is closed")
  agent.catalogue.set("db-password", "two")
  await waitFor("the third delivery", () => deliveries("web/top").length === 3)
  assert.deepEqual([deliveries("web/low").length, deliveries("db/top").length], [1, 1])
  await stop()
  assert.equal(shelves.opened, 0)
})

test("a target that its kind calls away is not tried again, and one that has failed is", async (t) => {
  const shelves = new Shelves("web/away", "web/failed")
  shelves.failures.set("web/away", new PurserError("ERR_NOT_RUNNING", "it sleeps"))
  shelves.failures.set("web/failed", new PurserError("ERR_TARGET", "the shelf has fallen"))
  const { agent, place, deliveries } = await stage(t, shelves)
  agent.run()
  await agent.event(isDelivery("web/away", "failed"))
  await agent.event(isDelivery("web/failed", "failed"))
  // A change in the state makes everything due that waits because it failed.
  await place.enrol()
  await waitFor("other tries", () => deliveries("web/failed").length > 2)
  assert.equal(deliveries("web/away").length, 1)
})

test("nothing is told of a target that has nothing to be given", async (t) => {
  const shelves = new Shelves("web/top", "web/low")
  const { agent } = await stage(t, shelves, { plan: { parallel: 1 } })
  agent.catalogue.onRead = () => void shelves.contents.delete("web/low")
  const served = await agent.round()
  assert.deepEqual(
    served.map(({ target }) => target),
    ["web/top"],
  )
  assert.ok(agent.events.every(({ target }) => target === "web/top"))
})

test("another kind warns of its own dangers", async (t) => {
  const { agent } = await stage(t, new Shelves(), { app: { maxNodes: 1 } })
  await agent.round()
  assert.match(agent.text(), /warn: web has few shelves\n/)
})

test("hints name the key of another kind beside the others", () => {
  assert.equal(targetKeys(), "nodes:, directory: or containers:")
  assert.equal(
    targetKeys([...targetKinds, new Shelves().kind]),
    "nodes:, directory:, containers: or shelves:",
  )
  assert.equal(targetKeys(targetKinds.slice(0, 1)), "nodes:")
})
