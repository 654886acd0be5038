import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import { tempDir } from "./temp.ts"

const run = promisify(execFile)

export interface TlsFiles {
  readonly certificate: string
  readonly key: string
}

/** A self-signed certificate and its key, by the openssl program. */
export async function tlsFiles(t: TestContext, name = "shop.lan"): Promise<TlsFiles> {
  const directory = await tempDir(t)
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "cert.pem")]
  await run(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj".split(" "),
      `/CN=${name}`,
      ..."-keyout key.pem -out cert.pem".split(" "),
    ],
    { cwd: directory },
  )
  return { certificate: await readFile(certificate, "utf8"), key: await readFile(key, "utf8") }
}
