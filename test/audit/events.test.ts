import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { test } from "node:test"
import { auditEvents } from "../../src/audit/event-table.ts"
import { firstHead } from "../../src/audit/audit-log.ts"
import { verifyAuditLog } from "../../src/audit/verify.ts"
import { digestOf } from "../../src/base/digest.ts"
import { compileErrors } from "../support/compile.ts"

/** A line of every form that an earlier version wrote; the last three have kinds and fields that no version knows. */
const file = resolve(import.meta.dirname, "../fixtures/audit-log.jsonl")
const foreign = 3

const event = (text: string): string =>
  `import type { AuditEvent } from "src/audit/events.ts"\nexport const event: AuditEvent = ${text}\n`
const table = (text: string): string =>
  `import type { AuditEventTable } from "src/audit/event-description.ts"\n` +
  `import { auditEvents } from "src/audit/event-table.ts"\n${text}\n`

const wrongEvents: readonly [what: string, event: string, complaint: RegExp][] = [
  ["an unknown kind", '{ kind: "levitated", app: "web" }', /"levitated"' is not assignable/],
  [
    "an unknown field",
    '{ kind: "enrolment", app: "web", change: "created", colour: "red" }',
    /'colour' does not exist/,
  ],
  [
    "a missing field",
    '{ kind: "rejected", app: "web", address: "a:1" }',
    /not assignable to type 'AuditEvent'/,
  ],
  ["a missing target", '{ kind: "denied", app: "web", secret: "a" }', /not assignable to type 'AuditEvent'/],
  [
    "a field of another kind",
    '{ kind: "denied", app: "web", directory: "/d", secret: "a", content: "0" }',
    /'content' does not exist/,
  ],
  [
    "two targets",
    '{ kind: "denied", app: "web", directory: "/d", container: "c", name: "n", secret: "a" }',
    /'string' is not assignable to type 'undefined'/,
  ],
  [
    "a pin of a FluxVault node",
    '{ kind: "alert", app: "web", address: "a:1", protocol: "fluxvault", pin: "p", reason: "max_nodes" }',
    /'string' is not assignable to type 'undefined'/,
  ],
  ["an unknown value", '{ kind: "enrolment", app: "web", change: "lost" }', /"lost"' is not assignable/],
  [
    "undefined for an absent field",
    '{ kind: "enrolment", app: "web", change: "shown", tokens: undefined }',
    /not assignable to type 'AuditEvent'/,
  ],
  [
    "a computed field",
    '{ kind: "trust", change: "forgotten", ["p" + "in"]: "p" }',
    /not assignable to type 'AuditEvent'/,
  ],
]

const right: Readonly<Record<string, string>> = {
  "event of a directory": event(
    '{ kind: "delivered", app: "web", directory: "/d", secret: "a", content: "0" }',
  ),
  "event of a token": event('{ kind: "enrolment", app: "web", change: "revoked", tokens: 2 }'),
  table: table("export const t: AuditEventTable = { ...auditEvents }"),
}

const wrongTables: readonly [what: string, code: string, complaint: RegExp][] = [
  [
    "a kind too few",
    "const { signed, ...rest } = auditEvents; void signed; export const t: AuditEventTable = rest",
    /'signed' is missing/,
  ],
  [
    "a kind too many",
    "export const t: AuditEventTable = { ...auditEvents, levitated: auditEvents.signed }",
    /'levitated' does not exist/,
  ],
  [
    "a field too few",
    "const { app, ...always } = auditEvents.session.always; void app; " +
      'export const t: AuditEventTable["session"]["always"] = always',
    /'app' is missing/,
  ],
  [
    "a field that is not in every line",
    'export const t: AuditEventTable["session"]["always"] = ' +
      "{ ...auditEvents.session.always, group: auditEvents.session.sometimes.group }",
    /'group' does not exist/,
  ],
  [
    "a value without a meaning",
    'export const t: AuditEventTable["identity"]["always"]["change"]["values"] = { prepared: "" }',
    /promoted/,
  ],
  [
    "another type",
    'export const t: AuditEventTable["session"]["always"]["sent"] = { type: "text", about: "", example: 1 }',
    /"text"' is not assignable/,
  ],
]

test("an event with a wrong kind, field or value does not compile, nor does a table that does not fit the events", async (t) => {
  const wrong = [
    ...wrongEvents.map(([what, text, complaint]) => [what, event(text), complaint] as const),
    ...wrongTables.map(
      ([what, text, complaint]) => [`a table with ${what}`, table(text), complaint] as const,
    ),
  ]
  const errors = await compileErrors(t, {
    ...right,
    ...Object.fromEntries(wrong.map(([what, text]) => [what, text])),
  })
  for (const [what, , complaint] of wrong) assert.match(`${what}: ${errors.get(what)}`, complaint)
  for (const what of Object.keys(right)) assert.equal(errors.get(what), undefined)
})

test("a log of an earlier version verifies, with kinds and fields that this one does not know", async () => {
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n")
  const head = { ...firstHead, seq: lines.length, hash: digestOf(Buffer.from(lines.at(-1) ?? "")) }
  const { seq } = await verifyAuditLog({ file, readHead: () => head }, new AbortController().signal)
  assert.equal(seq, lines.length)
})

test("the table knows every kind and field that an earlier version wrote, and each kind was written", async () => {
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n").slice(0, -foreign)
  const kinds = new Set<string>()
  for (const line of lines) {
    const { seq: _s, time: _t, previous: _p, kind, ...fields } = JSON.parse(line) as Record<string, unknown>
    const described = Object.entries(auditEvents).find(([one]) => one === kind)?.[1]
    assert.ok(described, line)
    kinds.add(String(kind))
    const { always, sometimes } = described
    for (const name of Object.keys(always)) assert.ok(name in fields, `${name} of ${line}`)
    for (const name of Object.keys(fields))
      assert.ok(name in always || name in sometimes, `${name} of ${line}`)
  }
  assert.deepEqual([...kinds].sort(), Object.keys(auditEvents).sort())
})
