import type { KeyTypeName } from "../x509/key-families.ts"

/**
 * The type of `ca:` in `purser.yaml`, or of a whole `ca.yaml`, for programs that write it. A test keeps it equal to the
 * schema in config.ts.
 */
export interface CaSettings {
  /** Start of the common names of root and intermediates. Default: `Purser CA`. */
  readonly name?: string | undefined
  /** File with the passphrase of the intermediate's key. An agent that issues or signs certificates needs it. */
  readonly passphrase_file?: string | undefined
  /** Types of new keys. Default: `p256` each. */
  readonly keys?: CaKeySettings | undefined
  /** Lifetimes. */
  readonly days?: CaDaysSettings | undefined
  /** Length of the longest chain of CAs below the root, 1 to 8. Default: 1. */
  readonly path_length?: number | undefined
  /** X.509 name constraints of the root (RFC 5280 section 4.2.1.10). Default: none. */
  readonly constraints?: CaNameSettings | undefined
  /** Limits what may be issued. */
  readonly policy?: CaPolicySettings | undefined
  /** HTTP or HTTPS URL of the CRL, written into every issued certificate. */
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
  /** Time until the next update of a CRL, 365 at most. Default: 7. */
  readonly crl?: number | undefined
}

/** Rules for names. An absent list means no constraint in `constraints`, and any name in `policy`. */
export interface CaNameSettings {
  /** `shop.lan` is that name, `.lan` any name below it, `*.shop.lan` that wildcard. */
  readonly dns?: readonly string[] | undefined
  /** Addresses, or networks as CIDR. */
  readonly ip?: readonly string[] | undefined
  /** `ops@shop.lan` is that mailbox, `@shop.lan` the whole domain. */
  readonly email?: readonly string[] | undefined
}

/** An absent list of names allows any. */
export interface CaPolicySettings extends CaNameSettings {
  /** Allows certificates for clients. Default: true. */
  readonly client?: boolean | undefined
  /** Longest lifetime of a certificate in days, 3650 at most. Default: 397. */
  readonly max_days?: number | undefined
  /** Allowed types of keys; at least one. Default: all. */
  readonly keys?: readonly KeyTypeName[] | undefined
}
