import assert from "node:assert/strict"
import { appendFile, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { test } from "node:test"
import fc from "fast-check"
import { emptyHash } from "../../src/audit/audit-log.ts"
import { parseExpected, verifyAuditLog } from "../../src/audit/verify.ts"
import { digestOf } from "../../src/base/digest.ts"
import { alert, events, place } from "./support.ts"

const numRuns = process.env["SLOW"] === undefined ? 100 : 3000

test("a whole log verifies, and its head is that of its last line", async (t) => {
  const { append, lines, verify } = await place(t)
  assert.deepEqual(await verify(), { seq: 0, hash: emptyHash })
  await append(...events)
  const last = (await lines()).at(-1) ?? ""
  assert.deepEqual(await verify(), { seq: 5, hash: digestOf(Buffer.from(last)) })
})

const tampering: [claim: string, change: (lines: string[]) => string[], message: RegExp][] = [
  [
    "an edited line is found by the next one",
    (lines) => lines.with(1, (lines[1] ?? "").replace("two", "TWO")),
    /line 2 of .* was changed: line 3 holds another hash of it/,
  ],
  [
    "an edited last line is found by the head",
    (lines) => lines.with(4, (lines[4] ?? "").replace("fünf", "zwei")),
    /line 5 of .* does not match the state database/,
  ],
  [
    "an added space is found",
    (lines) => lines.with(0, `${lines[0]} `),
    /line 1 of .* was changed: line 2 holds another hash of it/,
  ],
  [
    "an edited first line's `previous` is found",
    (lines) => lines.with(0, (lines[0] ?? "").replace("sha256:0", "sha256:1")),
    /line 1 of .* was changed: it does not begin the log/,
  ],
  [
    "a removed line is found",
    (lines) => lines.toSpliced(2, 1),
    /line 3 of .* is missing or out of order: found line 4$/,
  ],
  [
    "a removed first line is found",
    (lines) => lines.slice(1),
    /line 1 of .* is missing or out of order: found line 2$/,
  ],
  [
    "exchanged lines are found",
    (lines) => lines.with(1, lines[2] ?? "").with(2, lines[1] ?? ""),
    /line 2 of .* is missing or out of order: found line 3$/,
  ],
  [
    "a repeated line is found",
    (lines) => lines.toSpliced(2, 0, lines[1] ?? ""),
    /line 3 of .*: found line 2/,
  ],
  ["a cut tail is found", (lines) => lines.slice(0, 3), /was cut: it ends at line 3 of 5/],
  ["an emptied file is found", () => [], /was cut: it ends at line 0 of 5/],
  [
    "an appended line that fits the chain is found",
    (lines) => [...lines, nextLine(lines.at(-1) ?? "", 6)],
    /line 6 of .* was not written by Purser/,
  ],
  [
    "a log that was chained anew is found",
    (lines) => chainedAnew(lines),
    /line 5 of .* or the log was rewritten/,
  ],
  [
    "a log that was chained anew and went on is found",
    (lines) => chainedAnew([...lines, lines[0] ?? ""]),
    /line 6 of .* was not written by Purser/,
  ],
  ["a line that is no JSON is found", (lines) => lines.with(3, "{nonsense"), /line 4 of .* is damaged/],
  ["a line that is JSON but no object is found", (lines) => lines.with(3, "null"), /line 4 of .* is damaged/],
  ["an empty line is found", (lines) => lines.toSpliced(3, 0, ""), /line 4 of .* is damaged/],
  [
    "a line with something else for a number is found",
    (lines) => lines.with(3, (lines[3] ?? "").replace('"seq":4', '"seq":"\\u001b[2J"')),
    /line 4 of .*: found a line without a number$/,
  ],
]
for (const [claim, change, message] of tampering) {
  test(claim, async (t) => {
    const { append, lines, write, verify } = await place(t)
    await append(...events)
    await write(change(await lines()))
    await assert.rejects(verify(), { code: "ERR_AUDIT", message })
  })
}

test("whatever single byte is changed, added or taken away, verifying fails", async (t) => {
  const { append, file, verify } = await place(t)
  await append(...events)
  const whole = await readFile(file)
  // A cut that a crash could have made is waited for, and has a test of its own.
  const end = whole.lastIndexOf(10, whole.length - 2)
  await fc.assert(
    fc.asyncProperty(
      fc.nat(end),
      fc.nat(255),
      fc.constantFrom("change", "add", "remove"),
      async (at, byte, how) => {
        const value = whole[at] === byte ? byte ^ 1 : byte
        const [head, tail] = [whole.subarray(0, at), whole.subarray(how === "add" ? at : at + 1)]
        await writeFile(file, Buffer.concat([head, Buffer.from(how === "remove" ? [] : [value]), tail]))
        await assert.rejects(verify(), { code: "ERR_AUDIT" })
      },
    ),
    { numRuns },
  )
  await writeFile(file, whole)
  await verify()
})

test("a torn line is reported, and whether a crash can have caused it", async (t) => {
  const { append, file, verify } = await place(t)
  await append(...events)
  const whole = await readFile(file)
  // Between the two bytes of ü.
  await truncate(file, whole.lastIndexOf("ü") + 1)
  await assert.rejects(verify(), {
    code: "ERR_AUDIT",
    message: /line 5 of .* is torn$/,
    hint: "a crash cut it; the next start of the agent completes it",
  })
  await truncate(file, whole.indexOf("two"))
  await assert.rejects(verify(), { message: /line 2 of .* is torn$/, hint: /no crash can cause this/ })
  await writeFile(file, Buffer.concat([whole, Buffer.from('{"seq":6,"ti')]))
  await assert.rejects(verify(), { message: /line 6 of .* is torn$/, hint: /no crash can cause this/ })
})

test("an endless line is not read into memory", async (t) => {
  const { append, file, verify } = await place(t)
  await append(...events)
  for (let megabytes = 0; megabytes < 64; megabytes++) await appendFile(file, Buffer.alloc(1 << 20, "x"))
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const probe = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)), 1)
  t.after(() => clearInterval(probe))
  await assert.rejects(verify(), { message: /line 6 of .* is torn$/ })
  assert.ok(most < 40 << 20, `${most} bytes`)
})

test("a lost file is reported as cut", async (t) => {
  const { append, file, verify } = await place(t)
  await append(...events)
  await rm(file)
  await assert.rejects(verify(), { code: "ERR_AUDIT", message: /was cut: it ends at line 0 of/ })
})

test("a log whose database was lost does not verify", async (t) => {
  const { append, file } = await place(t)
  await append(...events)
  const { state } = await place(t)
  await assert.rejects(
    verifyAuditLog({ file, readHead: () => state.auditHead.read() }, new AbortController().signal),
    { code: "ERR_AUDIT", message: /line 1 of .* was not written by Purser/ },
  )
})

test("a head that was kept elsewhere verifies while the log has its line", async (t) => {
  const { append, open, verify } = await place(t)
  const heads: string[] = []
  {
    await using audit = open()
    heads.push(audit.head())
    for (const event of events) {
      await audit.append(event)
      heads.push(audit.head())
    }
  }
  await append(alert)
  for (const head of heads) assert.equal((await verify(head)).seq, 6)
})

test("a head that the log does not have is an error", async (t) => {
  const { append, verify } = await place(t)
  await append(...events)
  const { seq, hash } = await verify()
  await assert.rejects(verify(`4:${hash}`), {
    code: "ERR_AUDIT",
    message: /line 4 of .* is not the expected one/,
  })
  await assert.rejects(verify(`${seq + 1}:${hash}`), { code: "ERR_AUDIT", hint: "the log has only 5 lines" })
})

test("a log rewritten together with its database does not match a head that was kept elsewhere", async (t) => {
  const { append, lines, write, state, verify } = await place(t)
  await append(...events)
  const { seq, hash } = await verify()
  const forged = chainedAnew(await lines())
  await write(forged)
  const last = Buffer.from(forged.at(-1) ?? "")
  state.auditHead.update((head) => ({ ...head, hash: digestOf(last), pending: "" }))
  assert.equal((await verify()).seq, 5, "with both, history can be rewritten")
  await assert.rejects(verify(`${seq}:${hash}`), { code: "ERR_AUDIT" })
})

test("a head is read back as it was written", () => {
  fc.assert(
    fc.property(fc.nat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (seq, bytes) => {
      const hash = `sha256:${Buffer.from(bytes).toString("hex")}` as const
      assert.deepEqual(parseExpected(`${seq}:${hash}`), { seq, hash })
    }),
    { numRuns },
  )
})

test("any other text is refused", () => {
  const hash = `sha256:${"a".repeat(64)}`
  for (const text of [
    "",
    "7",
    hash,
    `:${hash}`,
    `-1:${hash}`,
    `7:${hash}0`,
    `7:${hash.toUpperCase()}`,
    `7:${hash} `,
  ])
    assert.throws(() => parseExpected(text), { code: "ERR_USAGE" }, text)
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.throws(() => parseExpected(text), { code: "ERR_USAGE" })
    }),
    { numRuns },
  )
})

function nextLine(line: string, seq: number): string {
  return line
    .replace(/"seq":\d+/, `"seq":${seq}`)
    .replace(/"previous":"[^"]*"/, `"previous":"${digestOf(Buffer.from(line))}"`)
}

/** The lines with another second decision and matching hashes, as a forger with only the file can make them. */
function chainedAnew(lines: readonly string[]): string[] {
  const forged = [...lines].map((line) => line.replace("two", "TWO"))
  for (let index = 1; index < forged.length; index++) {
    const seq = `"seq":${index + 1}`
    const previous = `"previous":"${digestOf(Buffer.from(forged[index - 1] ?? ""))}"`
    forged[index] = (forged[index] ?? "").replace(/"seq":\d+/, seq).replace(/"previous":"[^"]*"/, previous)
  }
  return forged
}
