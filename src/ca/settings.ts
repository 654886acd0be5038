import type { KeyTypeName } from "../x509/key-families.ts"

/**
 * `ca:`, or a `ca.yaml` as a whole, as a program writes it. A test keeps it equal to the schema.
 */
export interface CaSettings {
  /** The beginning of the subjects of root and intermediates. Default: `Purser CA`. */
  readonly name?: string | undefined
  /** A file with the passphrase of the intermediate's key. An agent that issues or signs by itself needs it. */
  readonly passphrase_file?: string | undefined
  /** Types of keys that are made. Default: `p256` each. */
  readonly keys?: CaKeySettings | undefined
  /** How long each is valid. */
  readonly days?: CaDaysSettings | undefined
  /** How many CAs may follow one another below the root, 1 to 8. Default: 1. */
  readonly path_length?: number | undefined
  /** X.509 name constraints of the root (RFC 5280 section 4.2.1.10). Default: none. */
  readonly constraints?: CaNameSettings | undefined
  /** Limits what may be issued. */
  readonly policy?: CaPolicySettings | undefined
  /** The http URL where clients find the CRL; goes into every certificate. */
  readonly crl_url?: string | undefined
}

export interface CaKeySettings {
  readonly root?: KeyTypeName | undefined
  readonly intermediate?: KeyTypeName | undefined
  readonly leaf?: KeyTypeName | undefined
}

/** In days. */
export interface CaDaysSettings {
  /** 36500 at most. Default: 7300. */
  readonly root?: number | undefined
  /** No longer than the root. Default: 1825. */
  readonly intermediate?: number | undefined
  /** No longer than the intermediate. Default: 90. */
  readonly leaf?: number | undefined
  /** How long a CRL counts, 365 at most. Default: 7. */
  readonly crl?: number | undefined
}

/** Rules for names, in lower case. An absent list means what the key that holds it says. */
export interface CaNameSettings {
  /** `shop.lan` is that name, `.lan` any name below it, `*.shop.lan` that wildcard. */
  readonly dns?: readonly string[] | undefined
  /** Addresses, or networks as CIDR. */
  readonly ip?: readonly string[] | undefined
  /** `ops@shop.lan` is that mailbox, `@shop.lan` all of the domain. */
  readonly email?: readonly string[] | undefined
}

/** An absent list of names allows any. */
export interface CaPolicySettings extends CaNameSettings {
  /** Whether certificates for clients are issued. Default: true. */
  readonly client?: boolean | undefined
  /** How long a certificate may be valid, in days, 3650 at most. Default: 397. */
  readonly max_days?: number | undefined
  /** Types of keys that get certificates; one at least. Default: all. */
  readonly keys?: readonly KeyTypeName[] | undefined
}
