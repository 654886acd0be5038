import type { X509Certificate } from "node:crypto"
import { BlockList, isIP } from "node:net"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { CertificateSpec } from "./certificate-spec.ts"

/**
 * Checks names against the name constraints (RFC 5280 section 4.2.1.10) of a CA's certificate, because verifiers reject
 * certificates that violate them. They are read from the certificate, because the configuration may have changed.
 */

interface Subtrees {
  readonly dns: readonly string[]
  readonly email: readonly string[]
  /** Address and mask, 4 or 16 bytes each. */
  readonly ip: readonly Buffer[]
}

export interface NameConstraints {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
}

/** Null for a certificate without name constraints. Throws `ERR_CA` if they cannot be read. */
export async function readConstraints(certificate: X509Certificate): Promise<NameConstraints | null> {
  const { Certificate, GeneralSubtree, NameConstraints: Extension } = await import("pkijs")
  try {
    const extension = Certificate.fromBER(certificate.raw).extensions?.find(
      ({ extnID }) => extnID === "2.5.29.30",
    )
    if (extension === undefined) return null
    const found: unknown = extension.parsedValue
    if (!(found instanceof Extension)) throw new TypeError("not name constraints")
    const subtrees = (list: readonly InstanceType<typeof GeneralSubtree>[] = []): Subtrees => ({
      dns: list.flatMap(({ base }) => (base.type === 2 ? [String(base.value)] : [])),
      email: list.flatMap(({ base }) => (base.type === 1 ? [String(base.value)] : [])),
      ip: list.flatMap(({ base }) => (base.type === 7 ? [octets(base.value)] : [])),
    })
    return {
      permitted: subtrees(found.permittedSubtrees),
      excluded: subtrees(found.excludedSubtrees),
    }
  } catch {
    throw new PurserError("ERR_CA", "the name constraints of the CA's certificate cannot be read")
  }
}

/** Throws `ERR_CA_POLICY` for the first name that the constraints do not allow. */
export function checkConstraints(ask: CertificateSpec, { permitted, excluded }: NameConstraints): void {
  const check = <T extends string | Buffer>(
    name: string,
    inside: readonly T[],
    outside: readonly T[],
    covers: (tree: T, name: string) => boolean,
  ): void => {
    const allowed = inside.length === 0 || inside.some((tree) => covers(tree, name))
    if (allowed && !outside.some((tree) => covers(tree, name))) return
    throw new PurserError("ERR_CA_POLICY", `${quote(name)} is outside the name constraints of this CA`, {
      hint: "clients would reject the certificate; purser ca root | purser ca show shows the permitted names",
    })
  }
  // Without DNS names, verifiers check a common name that looks like a host name.
  const common = ask.dns.length === 0 && ask.commonName !== undefined && isHostLike(ask.commonName)
  for (const name of common ? [ask.commonName ?? ""] : ask.dns)
    check(name, permitted.dns, excluded.dns, coversDns)
  for (const address of ask.ip) check(address, permitted.ip, excluded.ip, coversAddress)
  for (const mailbox of ask.email) check(mailbox, permitted.email, excluded.email, coversMailbox)
}

const isHostLike = (text: string): boolean =>
  /^[a-z0-9*_-]+(?:\.[a-z0-9_-]+)+$/i.test(text) && isIP(text) === 0

/** `shop.lan` covers that name and all below it; `.lan` covers only the names below. */
function coversDns(tree: string, name: string): boolean {
  const [base, host] = [tree.toLowerCase(), name.toLowerCase()]
  if (base === "") return true
  return base.startsWith(".") ? host.endsWith(base) : host === base || host.endsWith(`.${base}`)
}

/** `a@b` covers that mailbox, `b` all mailboxes of that host, `.b` those of all hosts below. */
function coversMailbox(tree: string, mailbox: string): boolean {
  const base = tree.toLowerCase()
  if (base === "") return true
  const host = mailbox.slice(mailbox.lastIndexOf("@") + 1).toLowerCase()
  if (base.includes("@")) return mailbox.toLowerCase() === base
  return base.startsWith(".") ? host.endsWith(base) : host === base
}

/** `tree`: address and mask. An IPv4 tree never covers an IPv6 address, nor the other way round. */
function coversAddress(tree: Buffer, address: string): boolean {
  const family = isIP(address)
  if (tree.length !== (family === 4 ? 8 : 32)) return false
  const half = tree.length / 2
  const mask = [...tree.subarray(half)].map((byte) => byte.toString(2).padStart(8, "0")).join("")
  const bits = mask.indexOf("0")
  const list = new BlockList()
  const kind = family === 4 ? "ipv4" : "ipv6"
  list.addSubnet(textOf(tree.subarray(0, half)), bits < 0 ? mask.length : bits, kind)
  return list.check(address, kind)
}

function textOf(address: Buffer): string {
  if (address.length === 4) return [...address].join(".")
  return (address.toString("hex").match(/.{4}/g) ?? []).join(":")
}

function octets(value: unknown): Buffer {
  if (typeof value === "object" && value !== null && "valueBlock" in value) {
    const block = value.valueBlock
    if (typeof block === "object" && block !== null && "valueHexView" in block) {
      const bytes = block.valueHexView
      if (bytes instanceof Uint8Array && (bytes.length === 8 || bytes.length === 32))
        return Buffer.from(bytes)
    }
  }
  throw new TypeError("not an address and its mask")
}
