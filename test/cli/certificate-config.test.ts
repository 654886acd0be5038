import assert from "node:assert/strict"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { tempDir } from "../support/temp.ts"
import { resolveConfigText } from "../../src/wiring/config.ts"
import type { ResolvedConfig } from "../../src/wiring/resolved-config.ts"
import { ConfigError } from "../../src/config/config-file.ts"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { Ca } from "../../src/ca/ca.ts"
import { configOf, keysOf, signal } from "../ca/state.ts"
import { purser } from "./purser.ts"

const where = {
  file: "/base/purser.yaml",
  directory: "/base",
  stateDir: undefined,
  defaultStateDir: "/default",
  ownActions: [],
}
const ca = "ca: { passphrase_file: ./pass, policy: { dns: [.lan], max_days: 90 } }\n"

function resolved(text: string, caFile?: string): ResolvedConfig {
  const more = caFile === undefined ? {} : { caFile: { name: "ca.yaml", text: caFile } }
  return resolveConfigText(text, "purser.yaml", { ...where, ...more })
}

function refuses(text: string, message: RegExp, hint: RegExp): void {
  assert.throws(
    () => resolved(text),
    (error) => {
      assert.ok(error instanceof ConfigError, String(error))
      const all = [{ message: error.message, hint: error.hint }, ...error.others]
      const found = all.find((one) => message.test(one.message))
      assert.ok(found, all.map((one) => one.message).join("\n"))
      assert.match(found.hint ?? "", hint)
      return true
    },
  )
}

test("an entry of secrets: is a certificate's set, with names in the form that certificates hold", () => {
  const { sources } = resolved(
    `${ca}secrets:\n  www: { ca: shop, dns: [Shop.LAN], ip: ["2001:DB8::1"], client: true, days: 30, key: p384 }\n  old: { ca: shop/old }\n`,
  )
  assert.deepEqual(sources.secrets["www"], {
    kind: "ca",
    name: "shop",
    certificate: { dns: ["shop.lan"], ip: ["2001:db8::1"], email: [], client: true, days: 30, key: "p384" },
  })
  assert.deepEqual(sources.secrets["old"], { kind: "ca", name: "shop/old", certificate: undefined })
  assert.equal(sources.ca.passphraseFile, "/base/pass")
})

test("an app's policy allows what it lists, for the CA's days unless it says others", () => {
  const { apps } = resolved(
    `${ca}apps: { web: { actions: [certificate], certificate: { ca: web, dns: [.Shop.lan] } } }`,
  )
  assert.deepEqual(apps["web"]?.certificate, {
    ca: "web",
    dns: [".shop.lan"],
    ip: [],
    email: [],
    client: false,
    days: 90,
  })
})

test("grants and file lines name what is in the set", () => {
  const of = (app: string): string =>
    `${ca}secrets:\n  www: { ca: www, dns: [shop.lan] }\napps: { web: ${app} }\n`
  resolved(of("{ secrets: ['www/*'] }"))
  resolved(of("{ secrets: [www/tls.crt], directory: ./out, files: ['www/tls.crt path=cert.pem'] }"))
  refuses(of("{ secrets: [www] }"), /purser\.yaml:4:\d+: .*certificate's set/, /did you mean "www\/\*"\?/)
  refuses(of("{ secrets: [www/tls.pem] }"), /no source gives www\/tls\.pem/, /did you mean "www\/tls\./)
  refuses(
    of("{ secrets: ['*'], directory: ./out, files: [www] }"),
    /www is a certificate's set/,
    /did you mean www\/tls\.crt, www\/tls\.key, www\/ca\.crt\?/,
  )
})

test("nothing else may give a name of the set", () => {
  for (const other of ['"www/*": { dir: ./www }', '"www/*": store', "www/tls.key: { file: ./key }"])
    refuses(
      `${ca}secrets:\n  www: { ca: www, dns: [shop.lan] }\n  ${other}\n`,
      /www\/.* gives names/,
      /another name/,
    )
  resolved(`${ca}secrets:\n  www: { ca: www, dns: [shop.lan] }\n  "*": store\n  www/other: store\n`)
})

test("what cannot be issued is refused with the configuration", () => {
  const of = (entry: string): string => `${ca}secrets:\n  www: { ca: www, ${entry} }\n`
  refuses(of("dns: [shop.example]"), /policy of the CA does not allow dns "shop\.example"/, /it allows \.lan/)
  refuses(of("dns: [shop.lan], days: 91"), /does not allow 91 days/, /90/)
  refuses(of("dns: [sh!op]"), /"sh!op" is not a host name/, /shop\.lan/)
  refuses(of("days: 5"), /days has no meaning without names/, /dns:/)
  refuses(of("key: p256"), /key has no meaning without names/, /dns:/)
  refuses(of("dns: [shop.lan], extra: 1"), /extra/, /./)
  refuses('secrets: { "www/*": { ca: www } }', /pattern/, /without \*/)
})

test("who issues or signs alone needs the passphrase", () => {
  const source = "secrets:\n  www: { ca: www, dns: [shop.lan] }\n"
  refuses(source, /purser\.yaml:2:3: .*ca\.passphrase_file/, /passphrase_file: to ca:/)
  refuses(
    "apps:\n  web:\n    actions: [certificate]\n    certificate: { ca: web, dns: [.lan] }\n",
    /purser\.yaml:4:5: .*ca\.passphrase_file/,
    /passphrase_file: to ca:/,
  )
  resolved("secrets: { www: { ca: www } }")
  resolved(source, "passphrase_file: ./pass\n")
  assert.throws(
    () => resolved(source, "passphrase_file: ./pass\npolicy: { dns: [.example] }\n"),
    /does not allow/,
  )
})

test("an app's policy cannot be wider than the CA's in days and clients", () => {
  const of = (more: string): string =>
    `ca: { passphrase_file: ./pass, policy: { client: false, max_days: 90 } }\napps: { web: { actions: [certificate], certificate: { ca: web, ${more} } } }\n`
  refuses(of("days: 91"), /max_days \(90\)/, /change one/)
  refuses(of("client: true"), /policy\.client/, /change one/)
})

async function made(t: TestContext, config: string) {
  const cwd = await tempDir(t)
  const stateDir = join(cwd, "state")
  await writeFile(join(cwd, "pass"), "correct horse\n", { mode: 0o600 })
  await mkdir(join(cwd, "out"))
  await writeFile(join(cwd, "purser.yaml"), `state: ./state\n${config}`)
  const passphrase = async (): Promise<Secret> => new Secret("correct horse")
  const own = new Ca({ stateDir, config: configOf(), keys: keysOf(stateDir), passphrase, log: silentLog })
  t.after(() => own[Symbol.asyncDispose]())
  return { cwd, own, run: (...argv: string[]) => purser(argv, { cwd }) }
}

const issuing = `${ca}secrets: { www: { ca: www, dns: [shop.lan] } }\napps: { web: { secrets: ['www/*'], directory: ./out } }\n`

test("purser check proves that it could be issued, and issues nothing; purser agent does", async (t) => {
  const { cwd, own, run } = await made(t, issuing)
  const without = await run("check")
  assert.equal(without.code, 1)
  assert.match(without.stderr, /www\/tls\.crt: there is no CA in this state directory/)
  const refused = await run("agent", "--once")
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /there is no CA in this state directory/)
  await own.init(signal)
  const before = await run("check")
  assert.equal(before.code, 0, before.stderr)
  assert.match(before.stdout, /www\/tls\.key +ok +web/)
  assert.deepEqual(await own.list({ all: true }), [])
  const round = await run("agent", "--once")
  assert.equal(round.code, 0, round.stderr)
  const after = await run("check")
  assert.match(after.stdout, /www\/tls\.key +ok +\d+ +web/)
  const { code, stdout } = await run("audit", "--json")
  assert.equal(code, 0)
  assert.match(stdout, /"kind":"issued".*"certificate":"www"/)
  await writeFile(join(cwd, "pass"), "wrong\n")
  const wrong = await run("check")
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /passphrase does not open/)
  const notStarted = await run("agent", "--once")
  assert.equal(notStarted.code, 1)
  assert.match(notStarted.stderr, /passphrase does not open/)
  assert.doesNotMatch(wrong.stderr + notStarted.stderr, /correct horse/)
})

test("purser check says what is missing where somebody has to issue it", async (t) => {
  const { own, run } = await made(
    t,
    "secrets: { www: { ca: www } }\napps: { web: { secrets: ['www/*'], directory: ./out } }\n",
  )
  const missing = await run("check")
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /purser ca issue www/)
  await own.init(signal)
  await own.issue("www", { dns: ["shop.lan"], ip: [], email: [], client: false }, {}, signal)
  const there = await run("check")
  assert.equal(there.code, 0, there.stderr)
})
