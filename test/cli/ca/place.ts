import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import { createMarker } from "../../support/leaks.ts"
import type { RunOptions, RunResult } from "../purser.ts"
import { statePlace } from "../state-place.ts"

/** A directory with passphrases in files, and a state directory that may have a CA. Nothing that runs may show a passphrase. */
export async function caPlace(t: TestContext, { init = true, config = {} as object } = {}) {
  const place = await statePlace(t)
  const [passphrase, rootPassphrase] = [createMarker(), createMarker()]
  await writeFile(join(place.dir, "pass"), `${passphrase}\n`)
  await writeFile(join(place.dir, "root-pass"), `${rootPassphrase}\n`)
  await writeFile(join(place.dir, "ca.yaml"), JSON.stringify({ passphrase_file: "./pass", ...config }))
  const said: string[] = []
  /** `purser ca ARGS…` */
  const ca = async (args: readonly string[], options: RunOptions = {}): Promise<RunResult> => {
    const result = await place.run(["ca", ...args], options)
    said.push(result.stdout, result.stderr)
    for (const one of [passphrase, rootPassphrase])
      assert.ok(!`${result.stdout}${result.stderr}`.includes(one), `${args.join(" ")} shows a passphrase`)
    return result
  }
  /** The standard output of what must go well. */
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await ca(args)
    assert.equal(code, 0, `purser ca ${args.join(" ")}: ${stderr}`)
    return stdout
  }
  const json = async (...args: string[]): Promise<Record<string, unknown>> =>
    JSON.parse(await ok(...args, "--json")) as Record<string, unknown>
  const file = async (name: string, content: string): Promise<void> =>
    await writeFile(join(place.dir, name), content)
  const openssl = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)("openssl", args, { cwd: place.dir })).stdout
  /** A request by openssl, for `names` as it writes them (`DNS:a.lan`). */
  const csr = async (name: string, names: string, key: string[] = p256): Promise<void> => {
    const subject = ["-subj", "/CN=from-openssl", "-addext", `subjectAltName=${names}`]
    await openssl(
      "req",
      "-new",
      "-newkey",
      ...key,
      "-nodes",
      "-keyout",
      `${name}.key`,
      ...subject,
      "-out",
      name,
    )
  }
  if (init) await ok("init", "--root-passphrase-file", "root-pass")
  return { ...place, passphrase, rootPassphrase, said, ca, ok, json, file, openssl, csr }
}

const p256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

/** A corporate CA by openssl: root.pem, and issuing.pem below it. Resolves with what it does to a request. */
export async function corporate({
  openssl,
  file,
}: Pick<Awaited<ReturnType<typeof caPlace>>, "openssl" | "file">) {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  const authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-days", "100"]
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "root.key",
    "-subj",
    "/CN=Corporate Root",
    ...authority,
    "-out",
    "root.pem",
  )
  await openssl(
    "req",
    "-new",
    ...key,
    "-keyout",
    "issuing.key",
    "-subj",
    "/CN=Corporate Issuing",
    "-out",
    "issuing.csr",
  )
  await file("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
  const by = (name: string): string[] => ["-CA", `${name}.pem`, "-CAkey", `${name}.key`, "-days", "90"]
  await openssl(
    "x509",
    "-req",
    "-in",
    "issuing.csr",
    ...by("root"),
    "-extfile",
    "ca.ext",
    "-out",
    "issuing.pem",
  )
  return async (csr: string, to: string): Promise<void> => {
    await openssl("x509", "-req", "-in", csr, ...by("issuing"), "-copy_extensions", "copy", "-out", to)
  }
}
