import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import { freePort } from "./free-port.ts"
import { waitFor } from "./wait.ts"

/** The real PostgreSQL, on a port of its own, as the user that Debian's package makes for it. */

const run = promisify(execFile)

export interface Postgres {
  readonly port: number
  /** What psql gets, with these connection parameters; rejects with what it says. */
  readonly ask: (connection: string, sql: string) => Promise<string>
}

/** It accepts TLS only, and who shows a client certificate whose common name is the user's, with `clientCa` (PEM). */
export async function startPostgres(
  t: TestContext,
  files: {
    readonly certificate: string
    readonly key: string
    readonly clientCa?: string
    readonly crl?: string
  },
): Promise<Postgres> {
  const { stdout } = await run("sh", [
    "-c",
    "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1; id -u postgres; id -g postgres",
  ])
  const [programs = "", uid = "", gid = ""] = stdout.trim().split("\n")
  const home = await mkdtemp(join(tmpdir(), "purser-test-postgres-"))
  const [data, port] = [join(home, "data"), await freePort()]
  const give = async (path: string): Promise<void> => await chown(path, Number(uid), Number(gid))
  await chmod(home, 0o700)
  await give(home)
  const as = ["--reuid=postgres", "--regid=postgres", "--init-groups"]
  await run("setpriv", [...as, join(programs, "initdb"), "-D", data, "--auth=trust", "--no-sync"], {
    cwd: "/",
  })
  const put = async (name: string, content: string): Promise<string> => {
    await writeFile(join(data, name), content, { mode: 0o600 })
    await give(join(data, name))
    return name
  }
  const settings = {
    ssl: "on",
    ssl_cert_file: await put("tls.crt", files.certificate),
    ssl_key_file: await put("tls.key", files.key),
    ...(files.clientCa === undefined ? {} : { ssl_ca_file: await put("clients.crt", files.clientCa) }),
    ...(files.crl === undefined ? {} : { ssl_crl_file: await put("crl.pem", files.crl) }),
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: home,
    fsync: "off",
  }
  const method = files.clientCa === undefined ? "trust" : "cert"
  await put("pg_hba.conf", `hostssl all all 127.0.0.1/32 ${method}\n`)
  const server = spawn(
    "setpriv",
    [
      ...as,
      join(programs, "postgres"),
      "-D",
      data,
      ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
    ],
    { cwd: "/", stdio: ["ignore", "ignore", "pipe"] },
  )
  let log = ""
  server.stderr.setEncoding("utf8").on("data", (part: string) => (log += part))
  const exited = once(server, "exit")
  t.after(async () => {
    server.kill("SIGINT")
    await exited
    await rm(home, { recursive: true, force: true })
  })
  await waitFor("PostgreSQL to start", () => {
    if (server.exitCode !== null) throw new Error(log)
    return log.includes("ready to accept connections")
  })
  return {
    port,
    async ask(connection, sql) {
      const where = `host=shop.lan hostaddr=127.0.0.1 port=${port} dbname=postgres ${connection}`
      const { stdout: answer } = await run("psql", ["-XAtw", where, "-c", sql], { cwd: "/" })
      return answer.trim()
    },
  }
}
