import { familyOf } from "../base/net-address.ts"
import { BlockList } from "node:net"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { CertificateSpec } from "./certificate-spec.ts"
import type { Policy } from "./config.ts"
import type { KeyTypeName } from "../x509/key-families.ts"

/**
 * Throws `ERR_CA_POLICY` naming the first thing that the policy does not allow. `ask`: as `checkNames` returns it;
 * `whose`: owner of the policy, for the message.
 */
export function checkPolicy(ask: CertificateSpec, keyType: KeyTypeName, policy: Policy, whose: string): void {
  const refuse = (what: string, hint: string): never => {
    throw new PurserError("ERR_CA_POLICY", `the policy of ${whose} does not allow ${what}`, { hint })
  }
  for (const kind of ["dns", "ip", "email"] as const) {
    const rules = policy[kind]
    const refused = rules && ask[kind].find((name) => !rules.some((rule) => allows[kind](rule, name)))
    if (refused !== undefined) {
      const hint = rules?.length === 0 ? `it allows no ${kind} at all` : `it allows ${rules?.join(", ")}`
      refuse(`${kind} ${quote(refused)}`, hint)
    }
  }
  if (ask.client && !policy.client)
    refuse("certificates for clients", "set client: true in the policy to allow them")
  if (ask.days !== undefined && ask.days > policy.maxDays)
    refuse(`${ask.days} days`, `it allows ${policy.maxDays} at most`)
  if (!policy.keys.includes(keyType)) refuse(`keys of type ${keyType}`, `it allows ${policy.keys.join(", ")}`)
}

const allows = { dns: allowsName, ip: allowsAddress, email: allowsMailbox } as const

/** `.lan` allows any name below it except wildcards; a wildcard needs a rule of its own. */
function allowsName(rule: string, name: string): boolean {
  if (!rule.startsWith(".")) return rule === name
  return name.endsWith(rule) && name.length > rule.length && !name.startsWith("*")
}

function allowsAddress(rule: string, address: string): boolean {
  const [network = "", bits] = rule.split("/")
  const family = familyOf(network)
  if (family === undefined || family !== familyOf(address)) return false
  const list = new BlockList()
  list.addSubnet(network, bits === undefined ? (family === "ipv4" ? 32 : 128) : Number(bits), family)
  return list.check(address, family)
}

/** Rules are in lower case; the mailbox is in lower case only after the `@`. */
function allowsMailbox(rule: string, mailbox: string): boolean {
  return rule.startsWith("@") ? mailbox.endsWith(rule) : rule === mailbox.toLowerCase()
}
