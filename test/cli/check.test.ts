import assert from "node:assert/strict"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { tempDir } from "../support/temp.ts"
import { purser } from "./purser.ts"

const secret = "correct-horse-battery"

async function made(t: TestContext, config: string) {
  const cwd = await tempDir(t)
  await mkdir(join(cwd, "quotes"))
  await writeFile(join(cwd, "quotes/a"), secret)
  await writeFile(join(cwd, "tls.key"), secret)
  await writeFile(join(cwd, "purser.yaml"), config)
  return async (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) => {
    const result = await purser(["check", ...args], {
      cwd,
      env: { PURSER_STATE: join(cwd, "state"), ...env },
    })
    assert.doesNotMatch(result.stdout + result.stderr, new RegExp(secret))
    return result
  }
}

const good = `
secrets:
  tls.key: { file: ./tls.key }
  token: { exec: [echo, ${secret}] }
  "quotes/*": { dir: ./quotes }
apps:
  web: { secrets: [tls.key, "quotes/*"], nodes: [vps.example.org] }
  db: { secrets: [token, tls.key], directory: ./out }
`

test("reads everything that is granted, and shows names, sizes and apps, never contents", async (t) => {
  const check = await made(t, good)
  assert.deepEqual(await check(), {
    code: 0,
    stdout: [
      "SECRET    STATUS  BYTES  APPS",
      "quotes/a  ok         21  web",
      "tls.key   ok         21  web, db",
      "token     ok         21  db",
      "",
    ].join("\n"),
    stderr: "purser: 3 secrets for 2 apps: all is well\n",
  })
  const { stdout } = await check(["--json"])
  assert.deepEqual(JSON.parse(stdout.split("\n")[1] ?? ""), {
    secret: "tls.key",
    apps: ["web", "db"],
    status: "ok",
    sizeBytes: 21,
  })
})

test("names what is missing or fails, with the next step, and ends with 1", async (t) => {
  const check = await made(
    t,
    `
secrets:
  db-password: store
  api-key: { env: API_KEY }
  cert: { file: ./none.crt }
  smtp: { exec: [sh, -c, "echo ${secret}; exit 3"] }
  "gone/*": { dir: ./gone }
  tls.key: { file: ./tls.key }
apps:
  web: { secrets: [db-password, api-key, cert, smtp, "gone/*", tls.key], nodes: [vps.example.org] }
`,
  )
  const { code, stdout, stderr } = await check()
  assert.equal(code, 1)
  assert.match(stdout, /^tls\.key +ok +21 /m)
  assert.match(stdout, /^smtp +failed /m)
  for (const [name, hint] of [
    ["db-password", "run purser secret set db-password"],
    ["api-key", "set API_KEY where the agent runs"],
    ["cert", "there is no .*none\\.crt"],
  ]) {
    assert.match(stdout, new RegExp(`^${name} +missing `, "m"))
    assert.match(stderr, new RegExp(`warning: ${name}: its source does not have it\nhint: ${hint}\n`))
  }
  assert.match(stderr, /warning: smtp: "sh" failed with exit code 3\nhint: run the command by hand/)
  assert.match(stderr, /warning: web, gone\/\*: cannot read the directory/)
  assert.match(stderr, /5 granted secrets cannot be delivered\n$/)
})

test("warns of settings that are allowed but probably not intended", async (t) => {
  const check = await made(
    t,
    `
secrets:
  unused: { file: ./tls.key }
  "quotes/*": { dir: ./quotes }
apps:
  open: { secrets: ["quotes/a"], trust: discovered, nodes: [vps.example.org] }
  empty: { directory: ./out }
  nowhere: { secrets: ["quotes/sub/*"] }
  here: { secrets: ["quotes/a"], containers: { any_image: true }, require_tmpfs: false }
`,
  )
  const { code, stderr } = await check()
  assert.equal(code, 0)
  for (const line of [
    "open trusts any server at its addresses",
    "empty is granted nothing",
    "nowhere has no target",
    "quotes/sub/* of nowhere matches no secret now",
    "no app is granted unused",
    "here may go into containers of any image",
    "here may lie on the disks of its containers",
  ]) {
    assert.ok(stderr.includes(`purser: warning: ${line}\n`), `${line} is not in ${stderr}`)
  }
  assert.doesNotMatch(stderr, /no app is granted quotes/)
})

test("a broken file is reported with its line, and as JSON with every problem", async (t) => {
  const check = await made(t, "secrts: {}\nevery: 60\n")
  assert.deepEqual(await check(), {
    code: 2,
    stdout: "",
    stderr:
      'purser: purser.yaml:1:1: unknown key "secrts"\nhint: did you mean "secrets"?\n' +
      "purser: purser.yaml:2:8: every is a number, not text\nhint: for example 30s, 5m, 1h\n",
  })
  const { stderr } = await check(["--json"])
  assert.deepEqual(JSON.parse(stderr), {
    error: "ERR_CONFIG",
    message: 'purser.yaml:1:1: unknown key "secrts"',
    hint: 'did you mean "secrets"?',
    others: [{ message: "purser.yaml:2:8: every is a number, not text", hint: "for example 30s, 5m, 1h" }],
  })
})

test("a secret in the place of its source is not repeated", async (t) => {
  const check = await made(t, `secrets: { db-password: ${secret} }\n`)
  const { code, stderr } = await check()
  assert.equal(code, 2)
  assert.match(stderr, /secrets\.db-password is text that cannot be used here\nhint: write "store"/)
})

test("a missing purser.yaml is an error, and so is a named file that does not exist", async (t) => {
  const cwd = await tempDir(t)
  const none = await purser(["check"], { cwd })
  assert.deepEqual(
    [none.code, none.stderr],
    [2, "purser: there is no purser.yaml in this directory\nhint: give it with --config FILE\n"],
  )
  const named = await purser(["check", "--config", "other.yaml"], { cwd })
  assert.deepEqual([named.code, named.stderr], [2, "purser: there is no other.yaml\n"])
})
