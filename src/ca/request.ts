import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { Secret } from "../base/secret.ts"
import { checkNames, type CertificateSpec } from "./certificate-spec.ts"
import type { Ca } from "./ca.ts"
import { writeRequest } from "./csr.ts"
import { generateKey, keyId } from "./keys.ts"
import type { CertificateRequest } from "./records/record.ts"

/**
 * Makes a key, and a CSR for another CA to sign. Throws `ERR_WAITING` while a request of this name is pending, `ERR_NAME`
 * and `ERR_CA_POLICY`.
 */
export async function requestCertificate(
  ca: Ca,
  name: string,
  asked: CertificateSpec,
  signal: AbortSignal,
): Promise<CertificateRequest> {
  const ask = checkNames(asked)
  const earlier = (await ca.requests()).find((request) => request.name === name)
  if (earlier !== undefined) {
    throw new PurserError("ERR_WAITING", `a request for ${quote(name)} is pending since ${earlier.at}`, {
      hint: "import its certificate with purser ca import FILE, or choose another name",
    })
  }
  const key = await generateKey(ask.key ?? "p256")
  const request: CertificateRequest = {
    version: 1,
    id: keyId(key),
    name,
    csr: writeRequest(key, ask),
    ask,
    at: new Date().toISOString(),
  }
  const text = new Secret(key.export({ type: "pkcs8", format: "pem" }).toString())
  await ca.addRequest(request, text, signal)
  return request
}
