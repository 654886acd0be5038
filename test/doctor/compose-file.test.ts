import assert from "node:assert/strict"
import { test } from "node:test"
import { composeFileFindings } from "../../src/doctor/compose-file.ts"
import { codeBlocks } from "../support/markdown.ts"

const bad = `services:
  web:
    image: shop
    build:
      context: .
      args:
        NPM_TOKEN: hunter2
    environment:
      DB_PASSWORD: hunter2
      DB_PASSWORD_FILE: /run/secrets/db
      API_TOKEN: \${API_TOKEN}
      OTHER_TOKEN: \${OTHER_TOKEN:-hunter2}
    command: ["app", "--password=hunter2"]
    healthcheck:
      test: curl -u admin:hunter2 http://localhost
    labels:
      - traefik.password=hunter2
      - purser.files=db-password path=/etc/db
  db:
    environment: &env
      - POSTGRES_PASSWORD=hunter2
  again:
    environment: *env
`

test("finds what leaks, with its line", () => {
  const found = composeFileFindings(bad, "compose.yaml").map(
    ({ rule, location }) => `${location?.line} ${rule}`,
  )
  assert.deepEqual(
    found.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
    [
      "7 secret-in-build-argument",
      "9 secret-in-environment",
      "12 secret-in-environment",
      "13 secret-in-command",
      "15 secret-in-health-check",
      "17 secret-in-label",
      "17 no-tmpfs",
      "21 secret-in-environment",
      "21 secret-in-environment",
    ],
  )
})

test("never repeats a value", () => {
  assert.ok(!JSON.stringify(composeFileFindings(bad, "compose.yaml")).includes("hunter2"))
})

test("our own examples are clean", async () => {
  const { readFile } = await import("node:fs/promises")
  for (const name of ["compose.yaml", "compose.node.yaml", "compose.agent.yaml", "compose.labels.yaml"]) {
    const text = await readFile(new URL(`../../deploy/${name}`, import.meta.url), "utf8")
    assert.deepEqual(composeFileFindings(text, name), [], name)
  }
  for (const { text } of await codeBlocks("README.md", "yaml"))
    assert.deepEqual(composeFileFindings(text, "README.md"), [])
})

test("a tmpfs is one by tmpfs:, by a mount, or by a volume of that type", () => {
  const service = (rest: string): string =>
    `services:\n  web:\n    labels: { purser.files: "x path=/run/secrets/x" }\n${rest}`
  const good = [
    "    tmpfs: /run/secrets\n",
    "    tmpfs: [/tmp, '/run/secrets:uid=1000']\n",
    "    volumes: [{ type: tmpfs, target: /run/secrets }]\n",
    "    volumes: ['keys:/run/secrets']\nvolumes: { keys: { driver_opts: { type: tmpfs, device: tmpfs } } }\n",
  ]
  for (const rest of good) assert.deepEqual(composeFileFindings(service(rest), "x"), [], rest)
  for (const rest of ["", "    tmpfs: /tmp\n", "    volumes: ['keys:/run/secrets']\nvolumes: { keys: {} }\n"])
    assert.deepEqual(
      composeFileFindings(service(rest), "x").map(({ rule }) => rule),
      ["no-tmpfs"],
    )
})

test("what is no Compose file has no findings, and what is no YAML is an error with its line", () => {
  for (const text of ["", "a: 1", "services: 3", "services: { web: }", "- x"])
    assert.deepEqual(composeFileFindings(text, "x"), [])
  assert.throws(() => composeFileFindings("services:\n  web: [", "c.yaml"), {
    code: "ERR_CONFIG",
    message: /^c\.yaml:2:\d+: this is no YAML/,
  })
})
