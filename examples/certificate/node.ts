/**
 * A node whose key never leaves it: it makes one, sends a certificate request, and keeps the certificate that
 * comes back beside the key.
 *
 *     PURSER_ENROL=purser1.web.… node examples/certificate/node.ts DIRECTORY [PORT]
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
// In a project of your own: from "purser"
import { createLog, createNode, PurserError } from "../../src/index.ts"
import { openssl } from "./openssl.ts"

const [directory = ".", port = "39898"] = process.argv.slice(2)
const file = (name: string): string => join(directory, name)

await using node = createNode({
  enrolment: process.env["PURSER_ENROL"] ?? "",
  name: "front",
  log: createLog(process.stderr, { name: "front" }),
  async steps(agent) {
    await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file("tls.key"))
    const csr = await openssl("req", "-new", "-key", file("tls.key"), "-subj", "/CN=front")
    const answer = await agent.ask("certificate", { csr })
    if (!isCertificate(answer))
      throw new PurserError("ERR_PROTOCOL", "the agent's answer holds no certificate")
    await writeFile(file("tls.crt"), answer.certificate)
    await writeFile(file("ca.crt"), answer.authority)
    return { written: 2, unchanged: 0, missing: 0 }
  },
  onSession: (error) => served.resolve(error === null),
})
const served = Promise.withResolvers<boolean>()
const address = await node.listen({ host: "127.0.0.1", port: Number(port) })
console.log(`${address.host}:${address.port}`)
process.exitCode = (await served.promise) ? 0 : 1

function isCertificate(value: unknown): value is { certificate: string; authority: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "certificate" in value &&
    typeof value.certificate === "string" &&
    "authority" in value &&
    typeof value.authority === "string"
  )
}
