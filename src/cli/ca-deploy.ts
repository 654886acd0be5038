import { PurserError } from "../base/errors.ts"
import type { Context } from "./command.ts"

interface Flags {
  readonly reload?: string
  readonly check?: readonly string[]
  readonly within?: string
}

/** `purser ca deploy`: once, by hand. */
export async function deploy(_context: Context, _flags: Flags, _name: string, _to: string): Promise<void> {
  throw new PurserError("ERR_INTERNAL", "not yet")
}
