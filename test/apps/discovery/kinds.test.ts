import assert from "node:assert/strict"
import { test } from "node:test"
import { z } from "zod"
import { formatAddress } from "../../../src/apps/discovery/address.ts"
import { createDiscovery } from "../../../src/apps/discovery/discovery.ts"
import { nodeFromFlag, nodeSchemaOf, resolveNode } from "../../../src/apps/discovery/entry.ts"
import type { DiscoveryKind } from "../../../src/apps/discovery/kind.ts"
import { discoveryKinds } from "../../../src/apps/discovery/kinds.ts"
import { isPurserError, PurserError } from "../../../src/base/errors.ts"
import { parseConfig } from "../../../src/config/config-file.ts"
import { testLog } from "../../support/pair.ts"

/** A way to find nodes that Purser does not have: one object, and one element of the list. */

const signal = new AbortController().signal

interface StreetSpec {
  readonly kind: "street"
  readonly street: string
  readonly from: number
}

const schema = z.strictObject({
  street: z.string().min(1).describe("every house of a street"),
  from: z.int().optional(),
})

const houses = new Map([["elm", 2]])

const streetKind: DiscoveryKind<typeof schema, StreetSpec> = {
  name: "street",
  schema,
  resolve: ({ street, from = 1 }) => ({ kind: "street", street, from }),
  fromFlag: (street, from) => ({ street, ...(from === undefined ? {} : { from }) }),
  async look({ street, from }) {
    const count = houses.get(street)
    if (count === undefined) throw new PurserError("ERR_DISCOVERY", `there is no ${street} street`)
    return Array.from({ length: count }, (_, index) => ({ host: `${street}-${from + index}`, port: 7 }))
  },
}

const kinds = [...discoveryKinds, streetKind]
const config = z.strictObject({ nodes: z.array(nodeSchemaOf(kinds)) })

function specs(yaml: string) {
  const { nodes } = parseConfig(`nodes: ${yaml}`, "p.yaml", config).value
  return nodes.map((node) => resolveNode(node, kinds))
}

function refusal(yaml: string): string {
  try {
    specs(yaml)
  } catch (error) {
    if (isPurserError(error, "ERR_CONFIG")) return `${error.message} (${error.hint})`
    throw error
  }
  return assert.fail(`${yaml} was taken`)
}

test("the schema takes an entry of another kind beside the existing ones, and resolves it", () => {
  assert.deepEqual(specs("[a.lan:7, { street: elm }, { port: 8, dns: tasks.web }]"), [
    { kind: "address", host: "a.lan", port: 7 },
    { kind: "street", street: "elm", from: 1 },
    { kind: "dns", name: "tasks.web", port: 8 },
  ])
})

test("messages and hints name another kind beside the others", () => {
  assert.match(refusal("[7]"), /a mapping with dns, srv, flux, street/)
  assert.match(refusal("[{ steet: elm }]"), /did you mean "street"/)
  assert.match(refusal("[{ street: '' }]"), /nodes\[0\]\.street is too short/)
})

test("the JSON Schema describes another kind", () => {
  assert.match(JSON.stringify(z.toJSONSchema(config, { io: "input" })), /every house of a street/)
})

test("--node takes the prefix of another kind, and any other text as an address", () => {
  assert.deepEqual(nodeFromFlag("street:elm:3", kinds), { street: "elm", from: 3 })
  assert.deepEqual(nodeFromFlag("street:elm", kinds), { street: "elm" })
  assert.equal(nodeFromFlag("street:elm"), "street:elm", "without that kind it is no prefix")
  assert.equal(nodeFromFlag("address:elm", kinds), "address:elm", "the kind has no flag")
  assert.deepEqual(nodeFromFlag("flux:web:7", kinds), { flux: { app: "web", port: 7 } })
  for (const text of ["a.lan", "a.lan:7", "[::1]:7", "::1", "dns:7"])
    assert.equal(nodeFromFlag(text, kinds), text)
})

test("nodes of another kind are found, and stay known if a lookup fails", async () => {
  const said = testLog()
  const discovery = createDiscovery(specs("[{ street: elm, from: 4 }, a.lan:7]"), { log: said.log }, kinds)
  const found = async (): Promise<string[]> => (await discovery.look(signal)).map(formatAddress)
  assert.deepEqual(await found(), ["elm-4:7", "elm-5:7", "a.lan:7"])
  houses.delete("elm")
  assert.deepEqual(await found(), ["elm-4:7", "elm-5:7", "a.lan:7"])
  assert.match(said.text(), /warn: there is no elm street; keeping 2 addresses from the last lookup/)
})
