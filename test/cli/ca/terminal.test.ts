import assert from "node:assert/strict"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { requireService } from "../../support/services.ts"
import { caPlace } from "./place.ts"
import { bin } from "../purser.ts"
import { onTerminal } from "../terminal.ts"

const skip = process.platform !== "linux"

test("init asks for both passphrases, each twice, and shows none", { skip }, async (t) => {
  const { dir, stateDir, ca, passphrase, rootPassphrase } = await caPlace(t, { init: false })
  await rm(join(dir, "ca.yaml"))
  const env = { ...process.env, PURSER_STATE: stateDir }
  const terminal = onTerminal([process.execPath, bin, "ca", "init"], { cwd: dir, env })
  await terminal.answer(/◆\s+a passphrase of the root's key/, rootPassphrase)
  await terminal.answer(/◆\s+once more/, rootPassphrase)
  await terminal.answer(/◆\s+a passphrase of the intermediate's key/, passphrase)
  await terminal.answer(/◆\s+once more/, passphrase)
  assert.equal(await terminal.ended, 0)
  for (const one of [passphrase, rootPassphrase]) assert.ok(!terminal.shown.includes(one))
  assert.match(terminal.shown, /the CA is ready/)
  const root = ["--root-passphrase-file", "root-pass"]
  assert.equal((await ca(["issue", "a", "--dns", "a.lan", "--passphrase-file", "pass"])).code, 0)
  assert.equal((await ca(["intermediate", "--passphrase-file", "pass", ...root])).code, 0)
})

test("sign asks on a terminal, and signs nothing when the answer is no", { skip }, async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { dir, stateDir, csr, ok } = await caPlace(t)
  await csr("api.csr", "DNS:api.lan")
  const env = { ...process.env, PURSER_STATE: stateDir }
  const sign = (...more: string[]) =>
    onTerminal([process.execPath, bin, "ca", "sign", "api.csr", "--name", "api", ...more], { cwd: dir, env })
  const no = sign()
  await no.answer(/sign this as api\?/, "n")
  assert.equal(await no.ended, 0)
  assert.match(no.shown, /asks for "api\.lan"[^]*nothing was signed/)
  assert.equal(await ok("ls"), "")
  assert.equal(await sign("--yes").ended, 0)
  assert.match(await ok("ls"), /\napi +valid /)
})
