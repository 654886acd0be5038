import { createPublicKey, sign, type KeyObject } from "node:crypto"
import * as der from "./der.ts"

/** Subject alternative names (RFC 5280 section 4.2.1.6). */
export interface SubjectNames {
  readonly dns: readonly string[]
  /** Addresses in their text form. */
  readonly ip: readonly string[]
  readonly email: readonly string[]
}
