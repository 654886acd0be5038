import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { AppConfig } from "../../../src/apps/config.ts"
import { composeNameOf, ownLabels } from "../../../src/apps/containers/labels.ts"
import { mayConcern, membershipOf } from "../../../src/apps/containers/membership.ts"
import { resolveConfigText } from "../../../src/wiring/config.ts"
import { parseFileLines } from "../../../src/files/file-line.ts"
import { parseReload } from "../../../src/rollout/reload.ts"
import { appConfig } from "../../support/pair.ts"
import { rule } from "../../agent/targets/container/support.ts"

/** Tests to which app a container belongs: its labels can ask, and the app's rule allows. */

const [ours, theirs] = [`sha256:${"a".repeat(64)}`, `sha256:${"b".repeat(64)}`]
const apps: Record<string, AppConfig> = {
  web: appConfig("web", { containers: rule({ images: [ours] }) }),
  db: appConfig("db", { containers: rule({ composeProject: "shop", composeService: "db" }) }),
  cache: appConfig("cache", {
    containers: rule({ images: [ours], name: "cache-1", labels: { tier: "back" } }),
    files: parseFileLines("db-password path=/x"),
    reload: parseReload("USR1"),
  }),
  net: appConfig("net"),
}

function judge(
  labels: Record<string, string>,
  { image = ours, name = "some", of = {} as Record<string, string>, among = apps } = {},
) {
  return membershipOf(among, { name, image, labels }, of)
}

const named = (result: ReturnType<typeof judge>): string[] => result.members.map(({ app }) => app.name)

test("a container that asks, and runs a listed image, belongs to the app, with its labels' files and reload", () => {
  const { members, refusal } = judge({
    "purser.app": "web",
    "purser.files": "db-password mode=0440\n# no more\n",
    "purser.reload": "HUP",
    "purser.check": ":8443 name=shop.lan",
  })
  assert.equal(refusal, undefined)
  const [member] = members
  assert.deepEqual(member?.files, parseFileLines("db-password mode=0440"))
  assert.deepEqual(member?.reload, { kind: "signal", signal: "SIGHUP" })
  assert.deepEqual(member?.check, { host: null, port: 8443, serverName: "shop.lan", withinMs: 10_000 })
})

test("a container that asks with another image is refused, with a line for purser.yaml", () => {
  const { members, refusal } = judge({ "purser.app": "web" }, { image: theirs })
  assert.deepEqual(members, [])
  assert.match(refusal?.reason ?? "", /its image is not listed/)
  const line = refusal?.hint.slice(refusal.hint.indexOf("apps:")) ?? ""
  const where = { stateDir: undefined, defaultStateDir: "/state", file: undefined, directory: "/" }
  const config = resolveConfigText(line, "pasted", where)
  assert.deepEqual(config.apps["web"]?.containers?.images, [ours, theirs])
})

test("a container that asks for an app without a rule, or for an unknown app, is refused", () => {
  assert.match(judge({ "purser.app": "net" }).refusal?.reason ?? "", /net has no containers/)
  assert.match(judge({ "purser.app": "net" }).refusal?.hint ?? "", new RegExp(`image: \\[${ours}\\]`))
  assert.match(judge({ "purser.app": "nobody" }).refusal?.reason ?? "", /there is no app "nobody"/)
  const nasty = judge({ "purser.app": "a: {}\n\u001b[2J" }).refusal
  assert.match(nasty?.reason ?? "", /\\x1b/)
  assert.ok(!nasty?.hint.includes("\u001b"))
  assert.match(judge({ "purser.app": "constructor" }).refusal?.reason ?? "", /there is no app/)
})

test("labels of the image itself neither ask nor meet a rule", () => {
  const labels = { "purser.app": "web", tier: "back" }
  assert.deepEqual(judge(labels, { of: labels }), { members: [], refusal: undefined })
  assert.deepEqual(named(judge({ tier: "back" }, { name: "cache-1" })), ["cache"])
  assert.deepEqual(named(judge({ tier: "back" }, { name: "cache-1", of: { tier: "back" } })), [])
  assert.deepEqual(named(judge({ "purser.app": "web" }, { of: { "purser.app": "db" } })), ["web"])
})

test("a rule that names more than the image selects containers without labels", () => {
  const compose = { "com.docker.compose.project": "shop", "com.docker.compose.service": "db" }
  assert.deepEqual(named(judge(compose, { image: theirs })), ["db"])
  assert.deepEqual(named(judge({ ...compose, "com.docker.compose.service": "web" }, { image: theirs })), [])
  assert.deepEqual(named(judge({ tier: "back" }, { name: "cache-2" })), [])
})

test("an image with Compose's labels is not in that service; one that Compose built and runs is", () => {
  const compose = { "com.docker.compose.project": "shop", "com.docker.compose.service": "db" }
  assert.deepEqual(named(judge(compose, { image: theirs, of: compose })), [])
  const baked = { ...compose, "com.docker.compose.config-hash": "1" }
  assert.deepEqual(named(judge(baked, { image: theirs, of: baked })), [])
  const run = { ...compose, "com.docker.compose.config-hash": "2" }
  assert.deepEqual(named(judge(run, { image: theirs, of: baked })), ["db"])
})

test("a listed image selects containers only together with file lines; any image alone never does", () => {
  assert.deepEqual(named(judge({})), [])
  const files = parseFileLines("db-password")
  const web = (containers: ReturnType<typeof rule>) => ({ web: appConfig("web", { containers, files }) })
  assert.deepEqual(named(judge({}, { among: web(rule({ images: [ours] })) })), ["web"])
  assert.deepEqual(named(judge({}, { among: web(rule()) })), [])
  assert.deepEqual(named(judge({ "purser.app": "web" }, { among: web(rule()), image: theirs })), ["web"])
})

test("a container that names its app belongs to no other", () => {
  assert.deepEqual(named(judge({ "purser.app": "web", tier: "back" }, { name: "cache-1" })), ["web"])
  assert.deepEqual(named(judge({ "purser.app": "net", tier: "back" }, { name: "cache-1" })), [])
})

test("files and reload in purser.yaml take precedence over the labels", () => {
  const labels = { tier: "back", "purser.files": "db-password path=/y", "purser.reload": "restart" }
  const [member] = judge(labels, { name: "cache-1" }).members
  assert.equal(member?.files?.[0]?.path, "/x")
  assert.deepEqual(member?.reload, { kind: "signal", signal: "SIGUSR1" })
})

test("invalid labels, and a URL as reload, are refused", () => {
  for (const [labels, reason] of [
    [{ "purser.files": "../../etc" }, /not a name for a secret/],
    [{ "purser.files": "a path=/x\nb path=/x" }, /both go to/],
    [{ "purser.reload": "KILL" }, /KILL/],
    [{ "purser.reload": "http://169.254.169.254/" }, /may not be a URL/],
    [{ "purser.check": "169.254.169.254:443" }, /may name no host/],
    [{ "purser.check": ":443 within=never" }, /not a duration/],
    [{ "purser.check": ":443", "purser.reload": "restart" }, /cannot be combined/],
  ] as const) {
    const { members, refusal } = judge({ "purser.app": "web", ...labels })
    assert.deepEqual(members, [])
    assert.match(refusal?.reason ?? "", reason)
  }
})

const labelKey = fc.constantFrom("purser.app", "purser.files", "purser.reload", "tier", "__proto__", "x")
const someLabels = fc.dictionary(labelKey, fc.oneof(fc.string(), fc.constantFrom("web", "cache", "back")))

test("no labels make a container with an unlisted image a member, and none throws", () => {
  fc.assert(
    fc.property(someLabels, someLabels, fc.constantFrom(ours, theirs), (labels, of, image) => {
      const container = { name: "cache-1", image, labels }
      const { members, refusal } = membershipOf(apps, container, of)
      for (const { app } of members) {
        assert.ok(app.containers?.images === undefined || app.containers.images.includes(image))
      }
      if (members.length > 0 || refusal !== undefined) assert.ok(mayConcern(apps, { imageId: image, labels }))
    }),
  )
})

test("a label counts as the image's only with the image's value", () => {
  fc.assert(
    fc.property(someLabels, someLabels, (container, image) => {
      for (const [key, value] of Object.entries(ownLabels(container, image)))
        assert.ok(container[key] === value && (!Object.hasOwn(image, key) || image[key] !== value))
    }),
  )
  assert.deepEqual(composeNameOf({}, {}), { project: undefined, service: undefined })
})
