import assert from "node:assert/strict"
import { test } from "node:test"
import { z } from "zod"
import { checkTrust, resolveTrust, trustKeysOf } from "../../../src/apps/trust/entry.ts"
import type { TrustKind } from "../../../src/apps/trust/kind.ts"
import { trustKindOf, trustKinds, trustNamesOf } from "../../../src/apps/trust/kinds.ts"
import { isPurserError } from "../../../src/base/errors.ts"
import { createIdentity } from "../../../src/channel/identity.ts"
import { parseConfig } from "../../../src/config/config-file.ts"
import { judge } from "./support.ts"

/** A way to recognise nodes that Purser does not have: one object, and one element of the list. */

interface VouchedTrust {
  readonly mode: "vouched"
  readonly friends: readonly string[]
}

const keys = { friends: z.array(z.string()).min(1).optional().describe("whom its nodes must know") }

const vouchedKind: TrustKind<typeof keys, VouchedTrust> = {
  name: "vouched",
  hasToken: false,
  keys: () => keys,
  check({ friends }, { isChosen, report }) {
    if (isChosen && friends === undefined) report("trust", "vouched needs friends", "add friends:", "value")
    if (!isChosen && friends !== undefined)
      report("friends", "have no meaning without trust: vouched", "leave them out")
  },
  resolve: ({ friends = [] }) => ({ mode: "vouched", friends }),
  warning: (app) => ({ message: `${app} believes its friends`, hint: "ask them" }),
  acceptsPin: ({ friends }, pin) => !friends.includes(pin),
  async decide({ hello, log }, { friends }) {
    log.info(`asked about ${hello.node}`)
    if (friends.includes(hello.node)) return undefined
    return { reason: `no friend vouches for ${hello.node}`, hint: "make friends" }
  },
}

const kinds = [...trustKinds, vouchedKind]

const entry = z
  .strictObject({ trust: z.enum(trustNamesOf(kinds)).default("enrolled"), ...trustKeysOf(kinds) })
  .superRefine((app, context) =>
    checkTrust(
      app,
      (key, message, hint, at = "key") =>
        context.addIssue({ code: "custom", path: [key], message, params: { hint, atKey: at === "key" } }),
      kinds,
    ),
  )

function trustOf(yaml: string) {
  return resolveTrust(parseConfig(yaml, "p.yaml", entry).value, kinds)
}

function refusal(yaml: string): string {
  try {
    trustOf(yaml)
  } catch (error) {
    if (isPurserError(error, "ERR_CONFIG")) return `${error.message} (${error.hint})`
    throw error
  }
  return assert.fail(`${yaml} was taken`)
}

test("an app may use another mode and its keys, beside the existing ones", () => {
  assert.deepEqual(trustOf("{ trust: vouched, friends: [anna] }"), { mode: "vouched", friends: ["anna"] })
  assert.deepEqual(trustOf("{ trust: approved }"), { mode: "approved" })
  const { pin } = createIdentity()
  assert.deepEqual(trustOf(`{ trust: pinned, pins: ["${pin}"] }`), { mode: "pinned", pins: [pin] })
})

test("keys of another mode are required with it, and refused without it, each at its position", () => {
  assert.equal(refusal("{ trust: vouched }"), "p.yaml:1:10: trust: vouched needs friends (add friends:)")
  assert.match(
    refusal("{ friends: [anna] }"),
    /^p\.yaml:1:3: friends: have no meaning without trust: vouched/,
  )
  assert.match(
    refusal("{ trust: vouched, friends: [anna], pins: [] }"),
    /pins: have no meaning without trust: pinned/,
  )
  assert.match(
    refusal("{ trust: vouchd }"),
    /not one of enrolled, .*, discovered, vouched.*did you mean "vouched"/,
  )
})

test("the JSON Schema describes another mode", () => {
  const text = JSON.stringify(z.toJSONSchema(entry, { io: "input" }))
  assert.match(text, /"enrolled","approved","pinned","discovered","vouched"/)
  assert.match(text, /whom its nodes must know/)
})

test("another mode decides about nodes, with a line in the audit log for each refused node", async (t) => {
  const { ask, audit, said, state } = await judge(t, {}, kinds)
  const trust = trustOf("{ trust: vouched, friends: [anna] }")
  await ask({ trust, hello: { node: "anna" } })
  await assert.rejects(ask({ trust, hello: { node: "eve" } }), {
    code: "ERR_UNTRUSTED",
    message: /no friend vouches for eve$/,
    hint: "make friends",
  })
  assert.match(said(), /asked about anna\n.*asked about eve/s)
  assert.deepEqual(
    (await audit()).map(({ kind, node }) => [kind, node]),
    [["rejected", "eve"]],
  )
  assert.equal(state.nodes.countKnown("web"), 1)
  await assert.rejects(ask({ trust, hello: { node: "anna", app: "db" } }), /claims to be of the app "db"/)
})

test("a mode tells whether its nodes have tokens, which pins reach the hello, and its warnings", () => {
  const { pin } = createIdentity()
  const trust = trustOf(`{ trust: vouched, friends: ["${pin}"] }`)
  const kind = trustKindOf(trust, kinds)
  assert.equal(kind.hasToken, false)
  assert.equal(kind.acceptsPin?.(trust, pin), false)
  assert.equal(kind.warning?.("web").message, "web believes its friends")
  assert.throws(() => trustKindOf(trust), /there is no trust mode vouched/)
})
