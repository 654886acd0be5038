/**
 * An agent with an action of its own: a node sends a certificate request, and gets a certificate that the agent
 * has signed. What FluxVault's users do by subclassing.
 *
 *     node examples/certificate/agent.ts STATE_DIR NODE_ADDRESS
 *
 * Prints the enrolment string of the app, serves the node once a line comes on stdin, and ends.
 */
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
// In a project of your own: from "purser"
import { createAgent, PurserError, type Action } from "../../src/index.ts"
import { openssl } from "./openssl.ts"

const [state = "./state", address = "127.0.0.1:39898"] = process.argv.slice(2)
const authority = await createAuthority(state)

const certificate: Action = async (request, context) => {
  // What a node sends is untrusted input; a PurserError's message is all that it learns.
  const { csr } = request
  if (typeof csr !== "string" || csr.length > 10_000)
    throw new PurserError("ERR_ACTION", "csr is not a request in PEM")
  const work = await mkdtemp(join(tmpdir(), "purser-example-"))
  try {
    const file = (name: string): string => join(work, name)
    await writeFile(file("request.pem"), csr)
    await openssl("req", "-in", file("request.pem"), "-noout", "-verify").catch(() => {
      throw new PurserError("ERR_ACTION", "the request's signature is wrong")
    })
    // The names are ours to give: from the app and the node's name, not from the request.
    await writeFile(file("extensions"), `subjectAltName = DNS:${context.node.name}.${context.app}.internal\n`)
    const ca = ["-CA", authority.certificate, "-CAkey", authority.key, "-CAcreateserial"]
    await openssl(
      "x509",
      "-req",
      "-in",
      file("request.pem"),
      ...ca,
      "-days",
      "30",
      "-extfile",
      file("extensions"),
      "-out",
      file("certificate.pem"),
    )
    return {
      certificate: await readFile(file("certificate.pem"), "utf8"),
      authority: await readFile(authority.certificate, "utf8"),
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

await using agent = await createAgent({
  state,
  apps: { web: { nodes: [address], actions: ["certificate"] } },
  actions: { certificate },
})
console.log(await agent.enrol("web"))
await once(process.stdin, "data")
const [delivery] = await agent.round()
console.log(
  delivery?.error === undefined ? delivery?.status : `${delivery.status}: ${delivery.error.message}`,
)
process.exitCode = delivery?.status === "ok" ? 0 : 1
process.stdin.destroy()

async function createAuthority(directory: string): Promise<{ key: string; certificate: string }> {
  const files = { key: join(directory, "ca.key"), certificate: join(directory, "ca.pem") }
  const subject = ["-subj", "/CN=Example CA", "-days", "365"]
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", files.key]
  await openssl("req", "-x509", ...key, ...subject, "-out", files.certificate)
  return files
}
