import assert from "node:assert/strict"
import { test } from "node:test"
import type { AppConfig } from "../../../src/apps/config.ts"
import { resolveConfigText } from "../../../src/wiring/config.ts"
import { rule } from "../../agent/targets/container/support.ts"

/** Tests `containers:` of an app in purser.yaml. */

const image = `sha256:${"0123456789abcdef".repeat(4)}`

function app(lines: string): AppConfig {
  const text = `secrets: { a: store }\napps:\n  web:\n    secrets: [a]\n${lines.replaceAll(/^/gm, "    ")}\n`
  const where = { stateDir: undefined, defaultStateDir: "/state", file: undefined, directory: "/" }
  const config = resolveConfigText(text, "purser.yaml", where).apps["web"]
  assert.ok(config !== undefined)
  return config
}

test("a rule has images and further conditions", () => {
  assert.deepEqual(app(`containers: { image: [${image}] }`).containers, rule({ images: [image] }))
  assert.deepEqual(
    app("containers: { any_image: true, name: web-1, compose_service: shop/cache, labels: { tier: back } }")
      .containers,
    rule({ name: "web-1", composeProject: "shop", composeService: "cache", labels: { tier: "back" } }),
  )
  assert.equal(
    app("containers: { any_image: true, compose_project: shop }").containers?.composeProject,
    "shop",
  )
})

test("files of containers must be in memory by default, files of a directory only if require_tmpfs says so", () => {
  const rules = `containers: { image: [${image}] }`
  assert.equal(app(rules).containers?.requireTmpfs, true)
  assert.equal(app(`${rules}\nrequire_tmpfs: false`).containers?.requireTmpfs, false)
  assert.equal(app("directory: /out").requireTmpfs, false)
  assert.equal(app(`${rules}\ndirectory: /out\nrequire_tmpfs: true`).requireTmpfs, true)
})

test("containers take every reload, a directory only those without a process", () => {
  for (const reload of ["HUP", "restart", "exec:true", "http://127.0.0.1/reload"])
    assert.ok(app(`containers: { image: [${image}] }\nfiles: [a]\nreload: ${reload}`).reload !== undefined)
  assert.throws(() => app(`containers: { image: [${image}] }\ndirectory: /out\nreload: HUP`), {
    message: /a directory has no process to signal/,
  })
})

test("a rule without images, or with an invalid id, is an error with a hint", () => {
  for (const [rules, message, hint] of [
    ["{}", /names no image/, /docker inspect/],
    ["{ name: web }", /names no image/, /any_image: true/],
    ["{ image: [] }", /containers\.image/, undefined],
    ["{ image: [my/web] }", /not the id of an image/, /docker inspect/],
    ["{ any_image: false }", /any_image is not one of true/, undefined],
    [`{ any_image: true, image: [${image}] }`, /contradicts image/, undefined],
    ["{ any_image: true, compose_service: cache }", /not PROJECT\/SERVICE/, /shop\/cache/],
    ["{ any_image: true, compose_service: a/b, compose_project: c }", /is not the project/, undefined],
    ["{ any_image: true, name: /web }", /not the name of a container/, undefined],
    ["{ any_image: true, nam: web }", /unknown key "nam"/, /"name"/],
  ] as const) {
    assert.throws(
      () => app(`containers: ${rules}`),
      (error: Error & { hint?: string }) => {
        assert.match(error.message, message, rules)
        if (hint !== undefined) assert.match(`${error.message} ${error.hint ?? ""}`, hint)
        return true
      },
    )
  }
})
