import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { connect, type PeerCertificate } from "node:tls"
import { promisify } from "node:util"
import { pem } from "../../src/x509/der.ts"
import type { CertificateSpec } from "../../src/ca/certificate-spec.ts"
import type { Ca } from "../../src/ca/ca.ts"
import type { CertificateRecord } from "../../src/ca/records/record.ts"
import { asking, issued, madeCa, signal } from "../ca/state.ts"
import { cleanUp, docker } from "../support/docker.ts"
import { startNginx } from "../support/nginx.ts"
import { startPostgres } from "../support/postgres.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"

/** What the CA makes, and the programs that have to accept it; and what they must not accept. */

after(cleanUp)

const run = promisify(execFile)
const types = ["p256", "p384", "ed25519", "rsa2048"] as const

interface Made {
  readonly record: CertificateRecord
  readonly certificate: string
  readonly key: string
}

async function make(ca: Ca, name: string, ask: Partial<CertificateSpec> = {}): Promise<Made> {
  const record = await issued(ca, name, asking([], ask))
  const key = (await ca.keyOf(record))?.revealText() ?? ""
  return { record, certificate: record.certificate + record.chain.join(""), key }
}

async function lists(ca: Ca): Promise<string> {
  return (await ca.crls(signal)).map((der) => pem("X509 CRL", der)).join("")
}

/** Writes into a directory of the test's own, 0600. */
async function filesIn(t: TestContext) {
  const directory = await tempDir(t)
  return async (name: string, content: string): Promise<string> => {
    const path = join(directory, name)
    await writeFile(path, content, { mode: 0o600 })
    return path
  }
}

for (const type of types) {
  test(`Node serves and accepts ${type}, by name and by address, and no other name`, async (t) => {
    const { ca } = await madeCa(t)
    const root = await ca.root()
    const { certificate, key } = await make(ca, "www", {
      dns: ["shop.lan", "*.shop.lan"],
      ip: ["127.0.0.1"],
      key: type,
    })
    const server = createServer({ cert: certificate, key }, (_, response) => response.end("hello"))
    server.listen(0, "127.0.0.1")
    t.after(() => server.close())
    await new Promise((resolve) => server.once("listening", resolve))
    const { port } = server.address() as AddressInfo
    const to = async (servername: string, trusted = root): Promise<PeerCertificate> =>
      await new Promise((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port, servername, ca: trusted }, () => {
          resolve(socket.getPeerCertificate())
          socket.destroy()
        })
        socket.once("error", reject)
      })
    for (const name of ["shop.lan", "a.shop.lan"])
      assert.ok((await to(name)).subjectaltname?.includes(name.replace("a.", "*.")))
    await assert.rejects(to("other.lan"), { code: "ERR_TLS_CERT_ALTNAME_INVALID" })
    const stranger = await (await madeCa(t)).ca.root()
    await assert.rejects(to("shop.lan", stranger), /unable to (get local issuer|verify)/)
  })
}

test("nginx serves it to curl, and lets those clients in that the bundle and the lists allow", async (t) => {
  if (!(await requireService(t, "docker", "root", "nginx", "openssl"))) return
  const { ca } = await madeCa(t)
  const file = await filesIn(t)
  const root = await file("root.crt", await ca.root())
  const clients: Record<string, { cert: string; key: string }> = {}
  const client = async (
    of: Ca,
    name: string,
    ask: Partial<CertificateSpec> = {},
  ): Promise<CertificateRecord> => {
    const { record, certificate, key } = await make(of, name, { dns: [`${name}.lan`], client: true, ...ask })
    clients[name] = { cert: await file(`${name}.crt`, certificate), key: await file(`${name}.key`, key) }
    return record
  }
  for (const type of types) await client(ca, type, { key: type })
  await client(ca, "server", { client: false })
  const revoked = await client(ca, "revoked")
  await ca.revoke(revoked.serial, "keyCompromise", signal)
  await ca.renewIntermediate(signal)
  await client(ca, "later")
  await client((await madeCa(t)).ca, "stranger")

  const directory = "/run/secrets/www"
  const extra = `ssl_client_certificate ${directory}/clients.crt; ssl_verify_client on; ssl_verify_depth 3; ssl_crl ${directory}/crl.pem;`
  const nginx = await startNginx(t, { directory, extra })
  const www = await make(ca, "www", { dns: ["shop.lan"] })
  // The last one lets it start.
  const contents = {
    "clients.crt": await ca.bundle(),
    "crl.pem": await lists(ca),
    "tls.key": www.key,
    "tls.crt": www.certificate,
    "ca.crt": await ca.root(),
  }
  await docker(["exec", nginx.id, "mkdir", "-p", directory])
  for (const [name, content] of Object.entries(contents))
    await docker(["exec", "--interactive", nginx.id, "sh", "-c", `cat >${directory}/${name}`], {
      input: content,
    })
  const curl = async (name?: string, host = "shop.lan"): Promise<string> => {
    const { cert = "", key = "" } = name === undefined ? {} : (clients[name] ?? {})
    const own = name === undefined ? [] : ["--cert", cert, "--key", key]
    const to = [
      "--noproxy",
      "*",
      "--cacert",
      root,
      "--resolve",
      `${host}:443:${nginx.address}`,
      `https://${host}/`,
    ]
    return (await run("curl", ["--silent", "--show-error", "--max-time", "10", ...own, ...to])).stdout
  }
  await waitFor("nginx", async () => (await curl("p256").catch(() => "")) !== "")
  for (const name of [...types, "later"]) assert.equal(await curl(name), "hello\n", name)
  for (const name of [undefined, "server", "revoked", "stranger"])
    assert.match(
      await curl(name),
      /400 (No required SSL certificate|The SSL certificate error)|No required SSL certificate|SSL certificate error/,
      name,
    )
  await assert.rejects(curl("p256", "other.lan"), /no alternative certificate subject name matches/)
})

for (const type of types) {
  test(`nginx serves ${type} to curl, and to no one who trusts another root or asks for another name`, async (t) => {
    if (!(await requireService(t, "docker", "root", "nginx"))) return
    const { ca } = await madeCa(t)
    const file = await filesIn(t)
    const root = await file("root.crt", await ca.root())
    const other = await file("other.crt", await (await madeCa(t)).ca.root())
    const directory = "/run/secrets/www"
    const { id, address } = await startNginx(t, { directory })
    const { certificate, key } = await make(ca, "www", { dns: ["shop.lan"], key: type })
    await docker(["exec", id, "mkdir", "-p", directory])
    const contents = { "tls.key": key, "tls.crt": certificate, "ca.crt": await ca.root() }
    for (const [name, input] of Object.entries(contents))
      await docker(["exec", "--interactive", id, "sh", "-c", `cat >${directory}/${name}`], { input })
    const curl = async (trusted: string, host: string): Promise<string> => {
      const to = ["--resolve", `${host}:443:${address}`, `https://${host}/`]
      const options = ["--silent", "--show-error", "--max-time", "10", "--noproxy", "*"]
      return (await run("curl", [...options, "--cacert", trusted, ...to])).stdout
    }
    await waitFor("nginx", async () => (await curl(root, "shop.lan").catch(() => "")) === "hello\n")
    await assert.rejects(curl(other, "shop.lan"), /unable to get (local )?issuer certificate|self-signed/)
    await assert.rejects(curl(root, "other.lan"), /no alternative certificate subject name matches/)
  })

  test(`PostgreSQL takes ${type} for itself and for its clients, and psql verifies the whole`, async (t) => {
    if (!(await requireService(t, "root", "postgres", "openssl"))) return
    const { ca } = await madeCa(t)
    const file = await filesIn(t)
    const root = await file("root.crt", await ca.root())
    const server = await make(ca, "db", { dns: ["shop.lan"], key: type })
    const client = await make(ca, "client", {
      dns: ["client.lan"],
      client: true,
      key: type,
      commonName: "postgres",
    })
    const gone = await make(ca, "gone", { dns: ["gone.lan"], client: true, commonName: "postgres" })
    await ca.revoke(gone.record.serial, "superseded", signal)
    const { ask } = await startPostgres(t, { ...server, clientCa: await ca.bundle(), crl: await lists(ca) })
    const full = `sslmode=verify-full sslrootcert=${root} user=postgres`
    const by = async ({ certificate, key }: Made, name: string): Promise<string> =>
      `sslcert=${await file(`${name}.crt`, certificate)} sslkey=${await file(`${name}.key`, key)}`
    const shown = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"
    assert.equal(await ask(`${full} ${await by(client, "client")}`, shown), "/CN=postgres")
    await assert.rejects(ask(full, shown), /connection requires a valid client certificate/)
    await assert.rejects(ask(`${full} ${await by(gone, "gone")}`, shown), /certificate revoked/)
    const elsewhere = `${full.replace(root, await file("other.crt", await (await madeCa(t)).ca.root()))} ${await by(client, "client")}`
    await assert.rejects(ask(elsewhere, shown), /certificate verify failed/)
    const misnamed = `${full} ${await by(client, "client")} host=other.lan`
    await assert.rejects(ask(misnamed, shown), /does not match host name/)
  })
}

test("GnuTLS and OpenSSL verify the chain of every kind of key, also as somebody who checks every list", async (t) => {
  if (!(await requireService(t, "openssl", "certtool"))) return
  const { ca } = await madeCa(t)
  const file = await filesIn(t)
  const [root, bundle] = [
    await file("root.crt", await ca.root()),
    await file("bundle.crt", await ca.bundle()),
  ]
  for (const type of types) {
    const { certificate, record } = await make(ca, type, { dns: [`${type}.lan`], key: type, client: true })
    const [chain, leaf] = [await file("chain.crt", certificate), await file("leaf.crt", record.certificate)]
    const gnutls = [
      "--verify",
      "--load-ca-certificate",
      root,
      "--infile",
      chain,
      "--verify-hostname",
      `${type}.lan`,
    ]
    assert.match((await run("certtool", gnutls)).stdout, /Chain verification output: Verified/)
    const crls = await file("crl.pem", await lists(ca))
    const strict = ["-x509_strict", "-crl_check_all", "-CRLfile", crls, "-policy_check"]
    for (const purpose of ["sslserver", "sslclient"]) {
      const args = ["verify", ...strict, "-purpose", purpose, "-CAfile", root, "-untrusted", bundle, leaf]
      assert.match((await run("openssl", args)).stdout, /: OK\n/)
    }
  }
})
