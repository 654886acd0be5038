import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import { createAgent, type CreateAgentOptions, type PurserAgent } from "../../src/wiring/create-agent.ts"
import { Secret } from "../../src/base/secret.ts"
import { madeCa } from "../ca/state.ts"
import { home, testLog } from "../support/pair.ts"

/** A CA, and an agent that issues from it, in one state directory. */

const run = promisify(execFile)
const passphrase = "correct horse"

export async function caStage(t: TestContext) {
  const { ca, stateDir } = await madeCa(t, { passphrase: async () => new Secret(passphrase) })
  const file = join(stateDir, "..", "passphrase")
  await writeFile(file, `${passphrase}\n`, { mode: 0o600 })
  const at = await home(t, stateDir)
  const said = testLog()
  return {
    ca,
    stateDir,
    audit: () => at.audit(),
    passphraseFile: file,
    log: said,
    agent: async (options: Omit<CreateAgentOptions, "state">): Promise<PurserAgent> => {
      const agent = await createAgent({
        state: stateDir,
        ca: { passphrase_file: file },
        log: said.log,
        ...options,
      })
      t.after(() => agent[Symbol.asyncDispose]())
      return agent
    },
  }
}

/** A request as OpenSSL makes it, with a new key. `extensions` are lines of its configuration. */
export async function opensslRequest(
  directory: string,
  {
    names = "DNS:shop.lan",
    key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    extensions = [] as string[],
  } = {},
): Promise<{ csr: string; key: string }> {
  const [keyFile, csrFile] = [join(directory, "request.key"), join(directory, "request.csr")]
  const more = [...(names === "" ? [] : [`subjectAltName=${names}`]), ...extensions]
  await run("openssl", [
    "req",
    "-new",
    "-newkey",
    ...key,
    "-noenc",
    "-keyout",
    keyFile,
    "-out",
    csrFile,
    "-subj",
    "/CN=x",
    ...more.flatMap((line) => ["-addext", line]),
  ])
  return { csr: await readFile(csrFile, "utf8"), key: await readFile(keyFile, "utf8") }
}
