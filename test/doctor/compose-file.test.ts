import assert from "node:assert/strict"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { test } from "node:test"
import { createIdentity } from "../../src/channel/identity.ts"
import { besideComposeFile } from "../../src/doctor/compose-beside.ts"
import { composeFileFindings } from "../../src/doctor/compose-file.ts"
import { codeBlocks } from "../support/markdown.ts"
import { tempDir } from "../support/temp.ts"

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

test("finds each leak with its line", () => {
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

test("merges and anchors are resolved to the lines where the secrets stand", () => {
  const text = `x-env: &env
  DB_PASSWORD: hunter2
x-base: &base
  environment: [API_TOKEN=hunter2]
services:
  a:
    environment: { <<: *env, X: y }
  b:
    <<: [*base]
  c:
    <<: *base
    environment: { <<: *env, DB_PASSWORD: "" }
  d:
    deploy: { labels: { x.password: hunter2 } }
    build: { context: ., labels: { y.password: hunter2 } }
configs:
  x:
    content: |
      -----BEGIN PRIVATE KEY-----
`
  assert.deepEqual(
    composeFileFindings(text, "x").map(({ rule, location }) => `${location?.line} ${rule}`),
    [
      "2 secret-in-environment",
      "4 secret-in-environment",
      "15 secret-in-label",
      "14 secret-in-label",
      "18 secret-in-config",
    ],
  )
})

test("files named in the Compose file are examined too", async (t) => {
  const directory = await tempDir(t)
  await chmod(directory, 0o755)
  await mkdir(join(directory, "keys"))
  await writeFile(join(directory, "keys/tls.key"), createIdentity().keyPem, { mode: 0o644 })
  await writeFile(join(directory, "plain.key"), createIdentity().keyPem, { mode: 0o644 })
  await writeFile(join(directory, "db.env"), '# of the database\nexport DB_PASSWORD="hunter2"\nDB_USER=app\n')
  await writeFile(join(directory, "b.env"), "API_TOKEN=${API_TOKEN}\nOTHER_TOKEN='hunter2'\n")
  const text = `services:
  web:
    env_file: db.env
    volumes:
      - ./keys:/keys:ro
      - keys:/other
      - \${KEYS}:/third
      - { type: bind, source: ./plain.key, target: /x }
  api:
    env_file: [./missing.env, { path: b.env, required: false }]
secrets:
  key: { file: ./plain.key }
  other: { environment: KEY }
`
  const file = join(directory, "compose.yaml")
  const found = await besideComposeFile(text, file)
  assert.deepEqual(
    found.map(({ rule, location }) => `${basename(location?.file ?? "")}:${location?.line} ${rule}`),
    [
      "db.env:2 secret-in-environment",
      "compose.yaml:5 readable-key",
      "compose.yaml:8 readable-key",
      "b.env:2 secret-in-environment",
    ],
  )
  assert.ok(!JSON.stringify(found).includes("hunter2"))
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

test("a tmpfs is recognized in tmpfs:, in a mount, and in a volume of that type", () => {
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

test("a file that is not a Compose file has no findings, and invalid YAML is an error with its line", () => {
  for (const text of ["", "a: 1", "services: 3", "services: { web: }", "- x"])
    assert.deepEqual(composeFileFindings(text, "x"), [])
  assert.throws(() => composeFileFindings("services:\n  web: *none\n", "c.yaml"), {
    code: "ERR_CONFIG",
    message: 'c.yaml:2:8: the alias "none" has no anchor before it',
  })
  const bomb = [
    "a: &a [x]",
    ..."bcdefg".split("").map((one, at) => `${one}: &${one} [${`*${"abcdefg"[at]},`.repeat(9)}]`),
  ]
  for (const text of [bomb.join("\n"), "a: &a\n  <<: [*a, *a]\n"])
    assert.throws(() => composeFileFindings(text, "c.yaml"), {
      code: "ERR_CONFIG",
      message: /^c\.yaml: its aliases expand too far/,
    })
  assert.throws(() => composeFileFindings("services:\n  web: [", "c.yaml"), {
    code: "ERR_CONFIG",
    message: /^c\.yaml:2:\d+: this is not valid YAML/,
  })
})
