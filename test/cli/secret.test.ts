import assert from "node:assert/strict"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { createAgeIdentity } from "../../src/sources/age-file.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { bin, purser, type RunOptions, type RunResult } from "./purser.ts"
import { onTerminal } from "./terminal.ts"

/** A secret that may appear only in the output of get. */
const secret = "correct-horse-battery"

/** `purser secret …` on a fresh state directory; searches every output for the secret. */
async function made(t: TestContext) {
  const cwd = await tempDir(t)
  const state = join(cwd, "state")
  const run = async (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
    await purser(["secret", ...args], { cwd, ...options, env: { PURSER_STATE: state, ...options.env } })
  const quiet = async (args: readonly string[], options: RunOptions = {}): Promise<RunResult> => {
    const result = await run(args, options)
    assert.doesNotMatch(result.stdout + result.stderr, new RegExp(secret))
    return result
  }
  return { cwd, state, run, quiet }
}

test("set from stdin, ls, get: byte for byte, and shown only by get", async (t) => {
  const { run, quiet } = await made(t)
  assert.deepEqual(await quiet(["set", "db-password"], { input: secret }), {
    code: 0,
    stdout: "db-password: stored, 21 bytes\n",
    stderr: "",
  })
  const { stdout } = await quiet(["ls"])
  assert.match(stdout, /^NAME +BYTES +CHANGED +UNDO\ndb-password +21 +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n$/)
  assert.deepEqual(await run(["get", "db-password"]), { code: 0, stdout: secret, stderr: "" })
})

test("--json: one object for each result", async (t) => {
  const { run } = await made(t)
  await run(["set", "a", "--json"], { input: "1" })
  const listed = JSON.parse((await run(["ls", "--json"])).stdout) as Record<string, unknown>
  assert.deepEqual(
    { ...listed, changed: typeof listed["changed"] },
    { name: "a", sizeBytes: 1, changed: "string", previous: false },
  )
  assert.deepEqual(JSON.parse((await run(["get", "a", "--json"])).stdout), { name: "a", base64: "MQ==" })
  const { code, stdout, stderr } = await run(["get", "b", "--json"])
  assert.deepEqual(
    [code, stdout, JSON.parse(stderr)],
    [1, "", { error: "ERR_SECRET_MISSING", message: "there is no b in the store", hint: "did you mean a?" }],
  )
})

test("a newline at the end is kept and noted, or left out by --trim", async (t) => {
  const { run, quiet } = await made(t)
  assert.match(
    (await quiet(["set", "a"], { input: `${secret}\n` })).stderr,
    /newline at the end is stored.*--trim/,
  )
  assert.equal((await run(["get", "a"])).stdout, `${secret}\n`)
  assert.equal((await quiet(["set", "a", "--trim"], { input: `${secret}\r\n` })).stderr, "")
  assert.equal((await run(["get", "a"])).stdout, secret)
})

test("--file takes a file as it is", async (t) => {
  const { cwd, run, quiet } = await made(t)
  await writeFile(join(cwd, "key.pem"), `${secret}\n\n`)
  assert.equal((await quiet(["set", "tls.key", "--file", "key.pem"])).code, 0)
  assert.equal((await run(["get", "tls.key"])).stdout, `${secret}\n\n`)
  const { code, stderr } = await quiet(["set", "a", "--file", "none.pem"])
  assert.deepEqual([code, stderr], [1, "purser: there is no file none.pem\n"])
})

test("--generate makes a different secret each time, and does not show it", async (t) => {
  const { run } = await made(t)
  const seen = new Set<string>()
  for (let round = 0; round < 2; round++) {
    const { stdout, stderr } = await run(["set", "a", "--generate", "32"])
    const { stdout: made } = await run(["get", "a"])
    assert.match(made, /^[A-Za-z0-9_-]{43}$/)
    assert.ok(!`${stdout}${stderr}`.includes(made))
    seen.add(made)
  }
  assert.equal(seen.size, 2)
})

test("--undo restores the previous version; rm removes both", async (t) => {
  const { run } = await made(t)
  await run(["set", "a"], { input: "1" })
  await run(["set", "a"], { input: "2" })
  assert.deepEqual(await run(["set", "a", "--undo"]), {
    code: 0,
    stdout: "a: the previous version is restored\n",
    stderr: "",
  })
  assert.equal((await run(["get", "a"])).stdout, "1")
  assert.deepEqual(await run(["rm", "a"]), { code: 0, stdout: "a: removed\n", stderr: "" })
  assert.equal((await run(["set", "a", "--undo"])).code, 1)
  assert.equal((await run(["ls"])).stdout, "")
})

test("a secret as an argument is refused, and not repeated", async (t) => {
  const { quiet, state } = await made(t)
  for (const args of [
    ["set", "a", secret],
    ["set", "a", `--${secret}`],
    ["set", "a", "--value", secret],
    ["set", "a", `--value=${secret}`],
    ["set", "a", "--", secret],
    ["set", "--generate", secret, "a"],
    ["get", "a", secret],
    ["ls", secret],
  ]) {
    const { code, stdout, stderr } = await quiet(args)
    assert.deepEqual([code, stdout], [2, ""], args.join(" "))
    assert.match(stderr, /^purser: .*\nhint: .*\n$/)
  }
  assert.match(
    (await quiet(["set", "a", secret])).stderr,
    /hint: give the secret at the prompt, on standard input or with --file/,
  )
  assert.match((await quiet(["set", "a", "--genrate", "32"])).stderr, /hint: did you mean --generate\?/)
  const left = await readdir(state, { recursive: true }).catch(() => [])
  assert.deepEqual(
    left.filter((name) => name.includes(".age")),
    [],
  )
})

const refused: [what: string, args: string[], options: RunOptions, message: RegExp, code: number][] = [
  [
    "a name with a dot segment",
    ["set", "../a"],
    { input: secret },
    /"\.\.\/a" is not a name for a secret/,
    2,
  ],
  ["a name of 300 characters", ["set", "a".repeat(300)], { input: secret }, /is not a name for a secret/, 2],
  ["nothing on stdin", ["set", "a"], {}, /standard input is empty/, 2],
  ["more than the limit", ["set", "a"], { input: secret.repeat(60_000) }, /more than 1048576 bytes/, 1],
  ["two ways at once", ["set", "a", "--undo", "--generate", "32"], {}, /exclude each other/, 2],
  ["too few random bytes", ["set", "a", "--generate", "7"], {}, /8 to 1024/, 2],
  ["removing what is not there", ["rm", "a"], {}, /there is no a in the store/, 1],
  [
    "a passphrase from nowhere",
    ["key", "--new-passphrase-file", "none"],
    {},
    /there is no passphrase file none/,
    1,
  ],
  ["a prompt without a terminal", ["key", "--new-passphrase"], {}, /needs a terminal/, 2],
]
for (const [what, args, options, message, code] of refused) {
  test(`refuses ${what}`, async (t) => {
    const result = await (await made(t)).quiet(args, options)
    assert.deepEqual([result.code, result.stdout], [code, ""])
    assert.match(result.stderr, message)
    assert.match(result.stderr, /^purser: /)
  })
}

test("a passphrase on the key: by flag, by variable, by configuration; without one it says so", async (t) => {
  const { cwd, run, quiet } = await made(t)
  await quiet(["set", "a"], { input: secret })
  await writeFile(join(cwd, "passphrase"), "four words in order\n")
  assert.deepEqual(await quiet(["key", "--new-passphrase-file", "passphrase"]), {
    code: 0,
    stdout: "1 secret encrypted to a new key with a passphrase\n",
    stderr: "",
  })
  const { code, stderr } = await quiet(["get", "a"])
  assert.equal(code, 1)
  assert.match(stderr, /has a passphrase\nhint: .*PURSER_PASSPHRASE_FILE/)
  assert.equal((await run(["get", "a", "--passphrase-file", "passphrase"])).stdout, secret)
  assert.equal((await run(["get", "a"], { env: { PURSER_PASSPHRASE_FILE: "passphrase" } })).stdout, secret)
  await writeFile(join(cwd, "purser.yaml"), "store: { passphrase_file: ./passphrase }\n")
  assert.equal((await run(["get", "a"])).stdout, secret)
  assert.match((await quiet(["key", "--no-passphrase"])).stdout, /encrypted to a new key$/m)
  await writeFile(join(cwd, "purser.yaml"), "")
  assert.equal((await run(["get", "a"])).stdout, secret)
})

test("the age program asks for the same passphrase", { skip: process.platform !== "linux" }, async (t) => {
  if (!(await requireService(t, "age"))) return
  const { cwd, quiet } = await made(t)
  await quiet(["set", "a"], { input: secret })
  await writeFile(join(cwd, "passphrase"), "four words in order\n")
  await quiet(["key", "--new-passphrase-file", "passphrase"])
  const command = ["age", "-d", "-o", "plain", "-i", "state/store.key", "state/secrets/a.age"]
  const terminal = onTerminal(command, { cwd, env: process.env })
  await terminal.answer(/Enter passphrase/, "four words in order")
  assert.equal(await terminal.ended, 0)
  assert.equal(await readFile(join(cwd, "plain"), "utf8"), secret)
})

test("the user's own recipients take over by purser secret key, and give back by --no-passphrase", async (t) => {
  const { cwd, state, run, quiet } = await made(t)
  await quiet(["set", "a"], { input: secret })
  const { identity, recipient } = await createAgeIdentity()
  await writeFile(join(cwd, "key.txt"), `${identity}\n`)
  await writeFile(join(cwd, "purser.yaml"), `store: { recipients: [${recipient}], identity_file: key.txt }\n`)
  assert.match(
    (await quiet(["key"])).stdout,
    /^1 secret encrypted to the 1 recipients? of the configuration$/m,
  )
  assert.ok(!(await readdir(state)).includes("store.key"))
  assert.equal((await run(["get", "a"])).stdout, secret)
  assert.match(
    (await quiet(["key", "--no-passphrase"])).stderr,
    /the configuration still has store\.recipients\nhint: /,
  )
  await writeFile(join(cwd, "purser.yaml"), "")
  assert.equal((await run(["get", "a"])).stdout, secret)
})

test("the state directory: --state before PURSER_STATE before state: in the file", async (t) => {
  const { cwd, run } = await made(t)
  await writeFile(join(cwd, "purser.yaml"), "state: ./of-file\n")
  await run(["set", "a", "--state", "of-flag"], { input: "flag" })
  await run(["set", "a"], { input: "variable" })
  await run(["set", "a"], { input: "file", env: { PURSER_STATE: "" } })
  assert.deepEqual((await readdir(cwd)).toSorted(), ["of-file", "of-flag", "purser.yaml", "state"])
  assert.equal((await run(["get", "a", "--state", "of-file"])).stdout, "file")
  assert.equal((await purser(["--state", "of-flag", "secret", "get", "a"], { cwd })).stdout, "flag")
})

test(
  "refuses a state directory that every user may write to",
  { skip: process.platform === "win32" },
  async (t) => {
    const { cwd, quiet } = await made(t)
    const { chmod, mkdir } = await import("node:fs/promises")
    await mkdir(join(cwd, "open"))
    await chmod(join(cwd, "open"), 0o777)
    const { code, stderr } = await quiet(["set", "a", "--state", "open"], { input: secret })
    assert.equal(code, 1)
    assert.match(stderr, /every user may write to the state directory .*\nhint: run chmod 700/)
  },
)

test(
  "asks twice on a terminal, shows neither answer, and asks again when they differ",
  { skip: process.platform !== "linux" },
  async (t) => {
    const { cwd, state, run } = await made(t)
    const terminal = onTerminal([process.execPath, bin, "secret", "set", "a"], {
      cwd,
      env: { ...process.env, PURSER_STATE: state },
    })
    await terminal.answer(/◆\s+a\b/, secret)
    await terminal.answer(/◆\s+once more/, "something else")
    await terminal.answer(/they differ[^]*◆\s+a\b/, secret)
    await terminal.answer(/◆\s+once more/, secret)
    assert.equal(await terminal.ended, 0)
    assert.match(terminal.shown, /a: stored, 21 bytes/)
    assert.doesNotMatch(terminal.shown, new RegExp(`${secret}|something else`))
    assert.equal((await run(["get", "a"])).stdout, secret)
  },
)

test(
  "Ctrl-C at the prompt stores nothing and ends with 130",
  { skip: process.platform !== "linux" },
  async (t) => {
    const { cwd, state, run } = await made(t)
    const terminal = onTerminal([process.execPath, bin, "secret", "set", "a"], {
      cwd,
      env: { ...process.env, PURSER_STATE: state },
    })
    await terminal.answer(/◆\s+a\b/, "\u0003")
    assert.equal(await terminal.ended, 130)
    assert.equal((await run(["ls"])).stdout, "")
  },
)

test(
  "rm asks on a terminal, and no is what Enter means",
  { skip: process.platform !== "linux" },
  async (t) => {
    const { cwd, state, run } = await made(t)
    await run(["set", "a"], { input: "1" })
    const terminal = onTerminal([process.execPath, bin, "secret", "rm", "a"], {
      cwd,
      env: { ...process.env, PURSER_STATE: state },
    })
    await terminal.answer(/remove a for good\?/, "")
    assert.equal(await terminal.ended, 0)
    assert.equal((await run(["get", "a"])).stdout, "1")
    assert.equal((await run(["rm", "a", "--yes"])).code, 0)
  },
)

test("no stored secret is in the state directory in plaintext", async (t) => {
  const { state, run, quiet } = await made(t)
  await quiet(["set", "a"], { input: secret })
  await quiet(["set", "a"], { input: `${secret}!` })
  await run(["get", "a"])
  for (const entry of await readdir(state, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      assert.ok(!(await readFile(join(entry.parentPath, entry.name))).includes(secret), entry.name)
  }
})
