import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { suite, test } from "node:test"
import fc from "fast-check"
import { parse } from "yaml"
import { z } from "zod"
import { configJsonSchema, resolveConfig, resolveConfigText } from "../../src/wiring/config.ts"
import { isPurserError } from "../../src/base/errors.ts"
import { defaultLimits } from "../../src/channel/limits.ts"
import { configFromFlags, printConfig } from "../../src/cli/agent/config-flags.ts"
import { purser } from "./purser.ts"

const fixtures = resolve(import.meta.dirname, "../fixtures")
const docs = resolve(import.meta.dirname, "../../docs")
const where = { file: undefined, directory: "/base", stateDir: undefined, defaultStateDir: "/default" }
const numRuns = process.env["SLOW"] === undefined ? 200 : 10_000

suite("purser.yaml", () => {
  test("the example of the design is read as described", async () => {
    const text = await readFile(join(fixtures, "good-config-design.yaml"), "utf8")
    const { stateDir, sources, apps, everyMs, discoverMs } = resolveConfigText(text, "purser.yaml", where)
    assert.deepEqual([stateDir, everyMs, discoverMs], ["/var/lib/purser", 3_600_000, 300_000])
    assert.deepEqual(
      { ...sources.secrets },
      {
        "db-password": { kind: "store" },
        "tls.key": { kind: "file", path: "/base/tls.key" },
        "api-key": { kind: "env", variable: "API_KEY" },
        smtp: {
          kind: "exec",
          argv: ["pass", "show", "smtp"],
          directory: "/base",
          key: undefined,
          raw: false,
          timeoutMs: 30_000,
        },
        "app.json": {
          kind: "age",
          path: "/base/app.json.age",
          identityFile: join(homedir(), ".age/key.txt"),
        },
        "quotes/*": { kind: "dir", path: "/base/quotes" },
      },
    )
    assert.deepEqual(apps["web"], {
      name: "web",
      secrets: ["db-password", "quotes/*"],
      actions: ["certificate"],
      certificate: undefined,
      aliases: [],
      protocol: "purser",
      trust: { mode: "enrolled" },
      maxNodes: 10,
      requirePq: false,
      nodes: [
        { kind: "address", host: "vps.example.org", port: 39_898 },
        { kind: "address", host: "203.0.113.7", port: 39_898 },
        { kind: "dns", name: "tasks.web", port: 39_898 },
        { kind: "srv", name: "_purser._tcp.example.org" },
        { kind: "flux", app: "myapp", port: 39_898, api: undefined },
      ],
      directory: undefined,
      check: undefined,
      containers: undefined,
      files: undefined,
      reload: undefined,
      requireTmpfs: false,
    })
    assert.equal(apps["db"]?.directory, "/out/db")
    assert.deepEqual(
      apps["db"]?.files?.map(({ name, mode, owner }) => [name, mode, owner]),
      [["db-password", 0o400, "999"]],
    )
  })

  test("an empty file is a configuration, because every key has a default", () => {
    const config = resolveConfig({}, where)
    assert.deepEqual(
      [config.stateDir, config.everyMs, config.discoverMs, config.parallel, config.actionMs],
      ["/default", 3_600_000, 300_000, 64, 20_000],
    )
    assert.deepEqual(config.limits, defaultLimits)
  })

  test("--state wins over state:, which is relative to the file", () => {
    const text = "state: ./state\n"
    assert.equal(resolveConfigText(text, "purser.yaml", where).stateDir, "/base/state")
    assert.equal(resolveConfigText(text, "purser.yaml", { ...where, stateDir: "/flag" }).stateDir, "/flag")
  })

  test("an app may have the name of a property of Object", () => {
    const { apps } = resolveConfig({ apps: { constructor: {} } }, where)
    assert.deepEqual(Object.keys(apps), ["constructor"])
    assert.equal(apps["toString"], undefined)
  })

  test("limits reach the channel, by their names in YAML", () => {
    const text =
      "limits: { secret_bytes: 2097152, handshake: 5s, frame: 1m, session: 10m, requests: 7, frame_bytes: 131072, chunk_bytes: 16384, depth: 9, parallel: 3, action: 1s }"
    const { limits, parallel, actionMs, sources } = resolveConfigText(text, "purser.yaml", where)
    assert.deepEqual(limits, {
      ...defaultLimits,
      secretBytes: 2_097_152,
      handshakeMs: 5000,
      frameMs: 60_000,
      sessionMs: 600_000,
      requests: 7,
      frameBytes: 131_072,
      chunkBytes: 16_384,
      depth: 9,
    })
    assert.deepEqual([parallel, actionMs, sources.secretBytes], [3, 1000, 2_097_152])
  })
})

suite("addresses of nodes", () => {
  const good: [text: string, host: string, port: number][] = [
    ["vps.example.org", "vps.example.org", 39_898],
    ["vps.example.org:1", "vps.example.org", 1],
    ["localhost:65535", "localhost", 65_535],
    ["my_service", "my_service", 39_898],
    ["203.0.113.7", "203.0.113.7", 39_898],
    ["2001:db8::7", "2001:db8::7", 39_898],
    ["[2001:db8::7]", "2001:db8::7", 39_898],
    ["[2001:db8::7]:443", "2001:db8::7", 443],
  ]
  for (const [text, host, port] of good) {
    test(`${text} is ${host} at ${port}`, () => {
      const { apps } = resolveConfig({ apps: { web: { nodes: [text] } } }, where)
      assert.deepEqual(apps["web"]?.nodes, [{ kind: "address", host, port }])
    })
  }
  for (const text of [
    "",
    "host:0",
    "host:65536",
    "host:",
    ":1",
    "a b",
    "http://host",
    "1.2.3",
    "256.1.1.1",
    "[::1",
    "[host]:1",
    "host:1:2",
    "-x",
    "x..y",
    "a/b",
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => resolveConfig({ apps: { web: { nodes: [text] } } }, where),
        (error) => isPurserError(error, "ERR_CONFIG"),
      )
    })
  }
})

suite("flags in the place of a file", () => {
  const full = {
    app: "web",
    secrets: ["db-password", "tls.key", "db-password"],
    dir: "./secrets",
    nodes: [
      "vps.example.org",
      "[2001:db8::7]:443",
      "dns:tasks.web",
      "dns:tasks.web:1234",
      "srv:_purser._tcp.example.org",
      "flux:myapp:39898",
      "dns:1234",
    ],
    directory: "/out",
    files: ["db-password mode=0440 owner=999:999"],
    reload: "exec:nginx -s reload",
    requireTmpfs: true,
    trust: "enrolled",
    maxNodes: 3,
    requirePq: true,
    every: "30m",
    discover: "1m",
  } as const

  test("give the object of the equivalent purser.yaml", () => {
    assert.deepEqual(configFromFlags(full), {
      secrets: { "db-password": "store", "tls.key": "store", "*": { dir: "./secrets" } },
      apps: {
        web: {
          secrets: ["db-password", "tls.key", "*"],
          trust: "enrolled",
          max_nodes: 3,
          require_pq: true,
          nodes: [
            "vps.example.org",
            "[2001:db8::7]:443",
            { dns: "tasks.web" },
            { dns: "tasks.web", port: 1234 },
            { srv: "_purser._tcp.example.org" },
            { flux: { app: "myapp", port: 39_898 } },
            "dns:1234",
          ],
          directory: "/out",
          files: ["db-password mode=0440 owner=999:999"],
          reload: "exec:nginx -s reload",
          require_tmpfs: true,
        },
      },
      every: "30m",
      discover: "1m",
    })
  })

  test("are the same when printed and read again", () => {
    const config = configFromFlags(full)
    assert.deepEqual(parse(printConfig(config)), config)
    assert.deepEqual(
      resolveConfigText(printConfig(config), "purser.yaml", where),
      resolveConfig(config, where),
    )
  })

  test("are the same when printed and read again, for any values", () => {
    const name = fc.stringMatching(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,20}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,20}){0,3}$/,
    )
    const flags = fc.record({
      app: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/),
      secrets: fc.array(name, { minLength: 1, maxLength: 5 }),
      dir: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
      directory: fc.string({ minLength: 1, unit: "grapheme" }),
      reload: fc.string().map((text) => `exec:${text}`),
      maxNodes: fc.integer({ min: 1, max: 1000 }),
    })
    fc.assert(
      fc.property(flags, (given) => {
        const config = configFromFlags(given)
        assert.deepEqual(parse(printConfig(config)), config)
      }),
      { numRuns },
    )
  })

  test("are refused without a grant", () => {
    assert.throws(
      () => configFromFlags({ app: "web", nodes: ["vps.example.org"] }),
      (error) => {
        assert.ok(isPurserError(error, "ERR_USAGE"))
        assert.match(error.hint ?? "", /--secret NAME.*--dir DIR.*purser\.yaml/)
        return true
      },
    )
    assert.throws(
      () => configFromFlags({ app: "Web", secrets: ["a"] }),
      (error) => isPurserError(error, "ERR_NAME"),
    )
    assert.throws(
      () => configFromFlags({ app: "web", secrets: ["../a"] }),
      (error) => isPurserError(error, "ERR_NAME"),
    )
  })
})

suite("purser config schema", () => {
  // The draft knows no transforms and no checks of our own: it is as strict as a draft can be about keys and types.
  const schema = z.fromJSONSchema(configJsonSchema() as Parameters<typeof z.fromJSONSchema>[0])

  test("prints a JSON Schema", async () => {
    const { code, stdout, stderr } = await purser(["config", "schema"])
    assert.deepEqual([code, stderr], [0, ""])
    assert.deepEqual(JSON.parse(stdout), configJsonSchema())
    assert.equal(
      (configJsonSchema() as { $schema?: unknown }).$schema,
      "https://json-schema.org/draft/2020-12/schema",
    )
    const { stdout: line } = await purser(["config", "schema", "--json"])
    assert.deepEqual([line.split("\n").length, JSON.parse(line)], [2, configJsonSchema()])
  })

  test("accepts the example of the design, and every example of the documentation", async () => {
    schema.parse(parse(await readFile(join(fixtures, "good-config-design.yaml"), "utf8")))
    for (const [page, least] of [
      ["configuration.md", 5],
      ["secrets.md", 1],
    ] as const) {
      const examples = await examplesOf(page)
      assert.ok(examples.length >= least, page)
      for (const example of examples) {
        schema.parse(parse(example))
        resolveConfigText(example, page, where)
      }
    }
  })

  test("refuses unknown keys and wrong types", () => {
    for (const wrong of [
      { secrts: {} },
      { secrets: { a: "x" } },
      { apps: { web: { nodes: "x" } } },
      { every: 60 },
      { every: "60" },
    ]) {
      assert.equal(schema.safeParse(wrong).success, false, JSON.stringify(wrong))
    }
  })

  test("every key has its line in docs/configuration.md", async () => {
    const text = await readFile(join(docs, "configuration.md"), "utf8")
    for (const key of keysOf(configJsonSchema()))
      assert.ok(
        text.includes(`\`${key}\``) || text.includes(`{ ${key}: `),
        `${key} is not in the documentation`,
      )
  })
})

/** The ```yaml blocks of a page that are whole configurations. */
async function examplesOf(page: string): Promise<string[]> {
  const text = await readFile(join(docs, page), "utf8")
  return [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, body = ""]) => body)
}

function keysOf(schema: unknown): Set<string> {
  const keys = new Set<string>()
  JSON.stringify(schema, (key, value: unknown) => {
    if (key === "properties") for (const name of Object.keys(value as object)) keys.add(name)
    return value
  })
  return keys
}
