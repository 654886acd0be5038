import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/**
 * Makes an authority in `dir` and certificates signed by it, with the openssl program and the names of Docker's manual:
 * `ca.pem`, the client's `cert.pem` and `key.pem`, the server's `server-cert.pem` and `server-key.pem` for localhost
 * and 127.0.0.1.
 */
export async function makeCertificates(dir: string): Promise<void> {
  const openssl = (...args: string[]) => run("openssl", args, { cwd: dir })
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca-key.pem",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=ca",
  )
  const sign = async (subject: string, prefix: string, extensions: string): Promise<void> => {
    const request = ["-keyout", `${prefix}key.pem`, "-out", `${prefix}request.pem`, "-subj", `/CN=${subject}`]
    await openssl("req", ...key, ...request)
    await writeFile(join(dir, `${prefix}extensions`), extensions)
    const signed = ["-in", `${prefix}request.pem`, "-out", `${prefix}cert.pem`, "-days", "2"]
    const by = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"]
    await openssl("x509", "-req", ...signed, ...by, "-extfile", `${prefix}extensions`)
  }
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
  await sign("localhost", "server-", names)
  await sign("client", "", "extendedKeyUsage=clientAuth\n")
}
