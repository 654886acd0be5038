import assert from "node:assert/strict"
import { test } from "node:test"
import { resolveConfigText } from "../../src/wiring/config.ts"
import type { ResolvedConfig } from "../../src/wiring/resolved-config.ts"
import { isPurserError } from "../../src/base/errors.ts"

function resolve(text: string, caText?: string): ResolvedConfig {
  return resolveConfigText(text, "purser.yaml", {
    file: "/etc/purser/purser.yaml",
    directory: "/etc/purser",
    stateDir: undefined,
    defaultStateDir: "/state",
    caFile: caText === undefined ? undefined : { name: "ca.yaml", text: caText },
  })
}

function refuses(text: string, message: RegExp, caText?: string): void {
  assert.throws(
    () => resolve(text, caText),
    (error: unknown) => isPurserError(error, "ERR_CONFIG") && message.test(error.message),
  )
}

test("without a word about it, the CA has sound defaults", () => {
  const { ca } = resolve("")
  assert.deepEqual(ca.keys, { root: "p256", intermediate: "p256", leaf: "p256" })
  assert.deepEqual(ca.days, { root: 7300, intermediate: 1825, leaf: 90, crl: 7 })
  assert.equal(ca.policy.maxDays, 397)
  assert.equal(ca.policy.dns, undefined)
  assert.equal(ca.passphraseFile, undefined)
})

test("ca: and a ca.yaml say the same", () => {
  const part = "{ name: Shop, passphrase_file: ca.pass, policy: { dns: [.Shop.LAN], ip: [10.0.0.0/8] } }"
  const { ca } = resolve(`ca: ${part}`)
  assert.deepEqual(ca, resolve("every: 1h", part).ca)
  assert.equal(ca.passphraseFile, "/etc/purser/ca.pass")
  assert.deepEqual(ca.policy.dns, [".shop.lan"])
})

test("both at once are refused", () => {
  refuses("ca: { name: A }", /both ca: and ca\.yaml configure the CA/, "name: B")
})

test("what is wrong is named, in its own file", () => {
  refuses("ca: { nam: A }", /^purser\.yaml:1:\d+: unknown key "nam" in ca/)
  refuses("", /^ca\.yaml:2:\d+: days\.root is too small/, "name: A\ndays: { root: 0 }")
  refuses("ca: { policy: { dns: ['sh op'] } }", /policy\.dns\[0\]: not a rule for names/)
  refuses("ca: { policy: { ip: [10.0.0.0/33] } }", /neither an address nor a CIDR/)
  refuses("ca: { policy: { email: [ops] } }", /not a rule for mail addresses/)
  refuses("ca: { constraints: { dns: ['*.lan'] } }", /a name constraint has no wildcard/)
  refuses("ca: { keys: { leaf: rsa1024 } }", /keys\.leaf/)
  refuses("ca: { days: { root: 100 } }", /outlives the root/)
  refuses("ca: { days: { intermediate: 30 } }", /outlives the intermediate/)
  refuses("ca: { policy: { max_days: 30 } }", /max_days \(30\)/)
  refuses("ca: { policy: { keys: [rsa2048] } }", /none of policy\.keys/)
  refuses("ca: { crl_url: 'ldap://x' }", /not an http URL/)
})
