import { execFile } from "node:child_process"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import type { CertificateSpec } from "../../src/ca/certificate-spec.ts"
import { Ca } from "../../src/ca/ca.ts"
import { caSchema, resolveCa, type CaConfig } from "../../src/ca/config.ts"
import type { KeyStore } from "../../src/ca/key-store.ts"
import type { CertificateRecord } from "../../src/ca/records/record.ts"
import { SecretStore } from "../../src/sources/store/store.ts"
import { tempDir } from "../support/temp.ts"
import type { CaOptions } from "../../src/ca/options.ts"

/** A CA in a state directory of its own, with the store that Purser gives it. */

export const run = promisify(execFile)
export const { signal } = new AbortController()
export const passphrases = { root: "a root's passphrase", intermediate: "an intermediate's passphrase" }

export function configOf(text: Parameters<typeof caSchema.parse>[0] = {}): CaConfig {
  return resolveCa(caSchema.parse(text), "/")
}

export function keysOf(stateDir: string): KeyStore {
  return new SecretStore({
    stateDir,
    config: { passphraseFile: undefined, recipients: undefined, identityFile: undefined },
    maxBytes: 65_536,
    directory: "ca/keys",
  })
}

export type Open = (more?: Partial<CaOptions>) => Ca

export function opener(stateDir: string, options: Partial<CaOptions> = {}): Open {
  return (more) =>
    new Ca({
      stateDir,
      config: configOf(),
      keys: keysOf(stateDir),
      passphrase: async (of) => new Secret(passphrases[of]),
      log: silentLog,
      ...options,
      ...more,
    })
}

/** `open`: as another process would. */
export async function emptyCa(t: TestContext, options: Partial<CaOptions> = {}) {
  const stateDir = join(await tempDir(t), "state")
  const open = opener(stateDir, options)
  const ca = open()
  t.after(() => ca[Symbol.asyncDispose]())
  return { ca, open, stateDir, directory: join(stateDir, "ca") }
}

export async function madeCa(t: TestContext, options: Partial<CaOptions> = {}) {
  const made = await emptyCa(t, options)
  await made.ca.init(signal)
  return made
}

export function asking(
  dns: string | readonly string[],
  more: Partial<CertificateSpec> = {},
): CertificateSpec {
  return { dns: typeof dns === "string" ? [dns] : dns, ip: [], email: [], client: false, ...more }
}

export async function issued(
  ca: Ca,
  name: string,
  ask: CertificateSpec = asking(`${name}.lan`),
): Promise<CertificateRecord> {
  return await ca.issue(name, ask, {}, signal)
}

/** Output of `openssl verify` for a record, with `root` as the only trusted root. */
export async function opensslVerify(
  t: TestContext,
  record: CertificateRecord,
  root: string,
  ...options: string[]
): Promise<string> {
  const directory = await tempDir(t)
  const [rootFile, chainFile, leafFile] = ["root.crt", "chain.crt", "leaf.crt"].map((name) =>
    join(directory, name),
  )
  await writeFile(rootFile ?? "", root)
  await writeFile(chainFile ?? "", record.chain.join(""))
  await writeFile(leafFile ?? "", record.certificate)
  const args = ["verify", "-x509_strict", "-CAfile", rootFile, "-untrusted", chainFile, ...options, leafFile]
  const { stdout } = await run("openssl", args.map(String)).catch(
    (error: { stdout: string; stderr: string }) => ({
      stdout: `${error.stdout}${error.stderr}`,
    }),
  )
  return stdout.trim().replace(leafFile ?? "", "leaf")
}

/** Whether the key in the store is that of the certificate. */
export async function hasItsKey(ca: Ca, record: CertificateRecord): Promise<boolean> {
  const key = await ca.keyOf(record)
  return (
    key !== null &&
    new X509Certificate(record.certificate).checkPrivateKey(createPrivateKey(key.revealText()))
  )
}
