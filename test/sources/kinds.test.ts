import assert from "node:assert/strict"
import { EventEmitter, once } from "node:events"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { z } from "zod"
import { isPurserError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { caSchema, resolveCa } from "../../src/ca/config.ts"
import { parseConfig } from "../../src/config/config-file.ts"
import { missingHint, namesInSpecs } from "../../src/sources/entries.ts"
import type { SourceKind } from "../../src/sources/kind.ts"
import { sourceKinds } from "../../src/sources/kinds.ts"
import { createCatalogue } from "../../src/sources/open-catalogue.ts"
import { resolveSecrets, secretsSchemaOf } from "../../src/sources/schema.ts"
import { signal } from "./host.ts"

/** Kinds that Purser does not have: each is one object, and one element of the list. */

const toySchema = z.strictObject({
  toy: z.string().min(1).describe("a shelf of toys"),
  // Named like a kind, but not the first key.
  file: z.string().optional(),
})

interface ToySpec {
  readonly kind: "toy"
  readonly shelf: string
  readonly file: string | undefined
}

const shelves = new EventEmitter<{ changed: [name: string] }>()
const toys = new Map([
  ["shelf/bear", "brown"],
  ["shelf/car", "red"],
])

const toyKind: SourceKind<typeof toySchema, ToySpec> = {
  name: "toy",
  schema: toySchema,
  holds: { kind: "many", ask: "below the pattern" },
  check: ({ toy }, { name, report }) => report(`one toy of ${toy}`, `write "${name}/*": { toy: … }`),
  resolve: ({ toy, file }, directory) => ({ kind: "toy", shelf: toy, file: file && join(directory, file) }),
  open: ({ env }) => ({
    source: ({ shelf }) => ({
      async read(name) {
        const colour = toys.get(`${shelf}/${name}`)
        return colour === undefined ? null : new Secret(`${env["SHADE"]} ${colour}`)
      },
      list: async () => [...toys.keys()].map((path) => path.slice(shelf.length + 1)),
      async watch(onChange) {
        shelves.on("changed", onChange)
        return { [Symbol.asyncDispose]: async () => void shelves.off("changed", onChange) }
      },
    }),
  }),
  missingHint: ({ shelf }, name) => `put ${name} on ${shelf}`,
}

const twinsSchema = z.strictObject({ twins: z.string() })

const twinsKind: SourceKind<typeof twinsSchema, { readonly kind: "twins"; readonly family: string }> = {
  name: "twins",
  schema: twinsSchema,
  holds: { kind: "group", names: ["anna", "berta"], noun: "pair of twins" },
  resolve: ({ twins }) => ({ kind: "twins", family: twins }),
  open: () => ({
    source: ({ family }) => {
      const readGroup = async (): Promise<ReadonlyMap<string, Secret>> =>
        new Map(["anna", "berta"].map((name) => [name, new Secret(`${name} ${family}`)]))
      return { read: async (name) => (await readGroup()).get(name) ?? null, readGroup }
    },
  }),
  missingHint: ({ family }) => `ask the family ${family}`,
}

const kinds = [...sourceKinds, toyKind, twinsKind]
const schema = z.strictObject({ secrets: secretsSchemaOf(kinds) })

function secretsOf(yaml: string) {
  return resolveSecrets(parseConfig(`secrets:\n  ${yaml}`, "p.yaml", schema).value.secrets, "/base", kinds)
}

function refusal(yaml: string): { message: string; hint: string | undefined } {
  try {
    secretsOf(yaml)
  } catch (error) {
    if (isPurserError(error, "ERR_CONFIG")) return { message: error.message, hint: error.hint }
    throw error
  }
  return assert.fail(`${yaml} was taken`)
}

const none = (): never => assert.fail("neither a store nor a CA is wanted here")

async function opened(t: TestContext, yaml: string) {
  const config = {
    secrets: secretsOf(yaml),
    ca: resolveCa(caSchema.parse({}), "/"),
    secretBytes: 1024,
  }
  const dependencies = { env: { SHADE: "dark" }, log: silentLog, store: none, ca: none }
  const catalogue = createCatalogue(config, dependencies, kinds)
  t.after(() => catalogue[Symbol.asyncDispose]())
  return catalogue
}

test("another kind resolves by its own first key, whatever its options are called", () => {
  assert.deepEqual(secretsOf('"t/*": { file: list, toy: shelf }')["t/*"], {
    kind: "toy",
    shelf: "shelf",
    file: "/base/list",
  })
})

test("messages and hints name another kind beside the others", () => {
  assert.match(refusal("a: 1").hint ?? "", /a mapping with file, dir, env, exec, age, ca, toy, twins$/)
  assert.match(refusal('"t/*": { toys: shelf }').hint ?? "", /did you mean "toy"/)
  assert.match(refusal('"t/*": { toy: "" }').message, /secrets\.t\/\*\.toy is too short/)
  assert.match(refusal('"t/*": { env: A }').hint ?? "", /use store or \{ dir: … \} or \{ toy: … \}/)
  assert.match(refusal("a: { toy: shelf }").message, /one toy of shelf/)
})

test("the JSON schema describes another kind", () => {
  assert.match(JSON.stringify(z.toJSONSchema(schema, { io: "input" })), /a shelf of toys/)
})

test("secrets of another kind are named and read, with what the host gives", async (t) => {
  const catalogue = await opened(t, '"t/*": { toy: shelf }')
  assert.deepEqual(await catalogue.names(["*"], signal), ["t/bear", "t/car"])
  assert.equal((await catalogue.read("t/bear", signal))?.revealText(), "dark brown")
  assert.equal(await catalogue.read("t/doll", signal), null)
})

test("changes of another kind are reported under the names of its entry", async (t) => {
  const catalogue = await opened(t, '"t/*": { toy: shelf }')
  const told = new EventEmitter<{ names: [readonly string[] | "all"] }>()
  const first = once(told, "names")
  catalogue.watch((names) => told.emit("names", names))
  shelves.emit("changed", "car")
  assert.deepEqual(await first, [["t/car"]])
})

test("another kind that gives a group is delivered as one, and nothing else has its names", async (t) => {
  const catalogue = await opened(t, "home: { twins: Smith }")
  assert.deepEqual(await catalogue.names(["home/*"], signal), ["home/anna", "home/berta"])
  const group = await catalogue.groupOf("home/anna")?.read(signal)
  assert.deepEqual(
    [...(group ?? [])].map(([name, secret]) => [name, secret.revealText()]),
    [
      ["home/anna", "anna Smith"],
      ["home/berta", "berta Smith"],
    ],
  )
  const { message } = refusal("home: { twins: Smith }\n  home/anna: store")
  assert.match(message, /home\/anna gives names that this pair of twins has/)
})

test("another kind gives its own hint for a missing secret", () => {
  const specs = secretsOf('home: { twins: Smith }\n  "t/*": { toy: shelf }')
  assert.deepEqual(namesInSpecs(specs, kinds), ["home/anna", "home/berta", "t/*"])
  assert.equal(missingHint(specs, "home/anna", kinds), "ask the family Smith")
  assert.equal(missingHint(specs, "t/*", kinds), "put t/* on shelf")
  assert.equal(missingHint(specs, "other", kinds), undefined)
})
