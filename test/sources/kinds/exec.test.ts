import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { isPurserError } from "../../../src/base/errors.ts"
import { execKind } from "../../../src/sources/kinds/exec.ts"
import type { Source } from "../../../src/sources/source.ts"
import { tempDir } from "../../support/temp.ts"
import { waitFor } from "../../support/wait.ts"
import { signal, sourceOf } from "../host.ts"

type ExecSpec = ReturnType<typeof execKind.resolve>

function execSource(spec: Partial<ExecSpec> & Pick<ExecSpec, "argv">, env = process.env): Source {
  const usual = { directory: ".", key: undefined, raw: false, timeoutMs: 30_000 }
  return sourceOf(execKind, { kind: "exec", ...usual, ...spec }, { env })
}

/** Returns a source that runs this JavaScript. */
function node(script: string, more: Partial<ExecSpec> = {}, env: NodeJS.ProcessEnv = process.env) {
  return execSource({ argv: [process.execPath, "-e", script], ...more }, env)
}

const outputs: [what: string, output: string, more: Partial<ExecSpec>, secret: string | null][] = [
  ["leaves out one newline at the end", "a\\n\\n", {}, "a\n"],
  ["leaves out a carriage return with it", "a\\r\\n", {}, "a"],
  ["keeps a carriage return alone", "a\\r", {}, "a\r"],
  ["keeps every byte with raw", "a\\n", { raw: true }, "a\n"],
  ["gives an empty secret for no output", "", {}, ""],
  ["picks from JSON", '{"a":{"b":"x\\\\n","c":1}}', { key: "a.b" }, "x\n"],
  ["picks a key that has dots", '{"data":{"tls.key":"k"}}', { key: "data.tls.key" }, "k"],
  ["picks from a list", '{"a":[{"b":"x"},{"b":"y"}]}', { key: "a.1.b" }, "y"],
  ["picks from YAML", "a:\\n  b: x\\n", { key: "a.b" }, "x"],
  ["picks through an alias", "a: &a { b: x }\\nc: *a\\n", { key: "c.b" }, "x"],
  ["keeps a number as it is written", "pin: 007\\nbig: 12345678901234567890123\\n", { key: "pin" }, "007"],
  [
    "keeps a number that no double holds",
    '{"big":12345678901234567890123}',
    { key: "big" },
    "12345678901234567890123",
  ],
  ["keeps a yes as it is written", "a: True\\n", { key: "a" }, "True"],
  ["gives nothing for a key that is not there", '{"a":{}}', { key: "a.b" }, null],
  ["gives nothing for a null", '{"a":null}', { key: "a" }, null],
  ["gives nothing for a property of every object", "{}", { key: "constructor.name" }, null],
]
for (const [what, output, more, secret] of outputs) {
  test(what, async () => {
    const found = await node(
      `process.stdout.write(${JSON.stringify(output).replaceAll("\\\\", "\\")})`,
      more,
    ).read("", signal)
    assert.equal(found?.revealText() ?? null, secret)
  })
}

test("refuses a key that holds more than one value, and output that is neither JSON nor YAML", async () => {
  await refused(
    node(`console.log('{"a":{"b":"hunter2"}}')`, { key: "a" }),
    "ERR_SOURCE",
    /not a single value/,
  )
  await refused(node(`console.log('{"a": hunter2')`, { key: "a" }), "ERR_SOURCE", /neither JSON nor YAML/)
})

test("a failing command is an error that repeats neither its arguments nor its output", async () => {
  await refused(
    node(`console.log("hunter2"); console.error("hunter2"); process.exit(3)`),
    "ERR_SOURCE",
    /exit code 3/,
  )
  await refused(node(`process.kill(process.pid, "SIGKILL") // hunter2`), "ERR_SOURCE", /SIGKILL/)
})

test("a command that cannot be started is an error that does not repeat its arguments", async () => {
  const source = execSource({ argv: ["purser-no-such-command", "hunter2"] })
  await refused(source, "ERR_SOURCE", /purser-no-such-command.*ENOENT/)
})

test("output over the limit ends the command", async () => {
  await refused(
    node(`for (;;) process.stdout.write("hunter2".repeat(1000))`),
    "ERR_SECRET_TOO_LARGE",
    /more than 1024 bytes/,
  )
})

test(
  "the time limit ends the command and what it started",
  { skip: process.platform === "win32" },
  async (t) => {
    const file = join(await tempDir(t), "pid")
    const script = `const { pid } = require("child_process").spawn("sleep", ["600"], { stdio: "inherit" });
    require("fs").writeFileSync(${JSON.stringify(file)}, String(pid)); setInterval(() => {}, 1000)`
    await refused(node(script, { timeoutMs: 1500 }), "ERR_SOURCE", /longer than 1500 ms/)
    const pid = Number(await readFile(file, "utf8"))
    await waitFor("the grandchild's end", () => !runs(pid))
  },
)

test(
  "a command that leaves something behind with our pipe open does not hold us",
  { skip: process.platform === "win32" },
  async (t) => {
    const file = join(await tempDir(t), "pid")
    const script = `const { pid } = require("child_process").spawn("sleep", ["600"], { stdio: "inherit" });
    require("fs").writeFileSync(${JSON.stringify(file)}, String(pid)); console.log("a"); process.exit(0)`
    // Held, it would end by its own time limit, and in an error.
    assert.equal((await node(script).read("", signal))?.revealText(), "a")
    process.kill(Number(await readFile(file, "utf8")))
  },
)

test("an abort ends the command", async (t) => {
  const file = join(await tempDir(t), "started")
  const stop = new AbortController()
  const reading = node(
    `require("fs").writeFileSync(${JSON.stringify(file)}, ""); setInterval(() => {}, 1000)`,
  ).read("", stop.signal)
  const ended = assert.rejects(reading, { name: "AbortError" })
  await waitFor("the command's start", () => existsSync(file))
  stop.abort()
  await ended
})

test("runs without a shell, in the directory of the configuration, without PURSER_* in its environment", async (t) => {
  const directory = await tempDir(t)
  await writeFile(join(directory, "here"), "")
  const env = { ...process.env, PURSER_ENROL: "hunter2", OTHER: "kept" }
  const script = `console.log(JSON.stringify([process.argv[1], require("fs").readdirSync("."), process.env.PURSER_ENROL ?? null, process.env.OTHER]))`
  const source = execSource({ argv: [process.execPath, "-e", script, "$(id); `id`"], directory }, env)
  const text = (await source.read("", signal))?.revealText() ?? ""
  assert.deepEqual(JSON.parse(text), ["$(id); `id`", ["here"], null, "kept"])
})

async function refused(source: Source, code: string, message: RegExp): Promise<void> {
  await assert.rejects(source.read("", signal), (error) => {
    assert.ok(isPurserError(error), String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    assert.doesNotMatch(`${error.message} ${error.hint} ${String(error.cause)}`, /hunter2/)
    return true
  })
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
