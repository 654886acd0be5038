import { createHash } from "node:crypto"

/** Share of the lifetime, so that certificates issued together are not all renewed, and services reloaded, at once. */
const jitter = 0.05

/** Time of renewal: after two thirds of the lifetime, less up to 5 % of it, which depends on the serial (hex) alone. */
export function dueAt(notBefore: Date, notAfter: Date, serial: string): Date {
  const life = notAfter.getTime() - notBefore.getTime()
  const share = createHash("sha256").update(serial).digest().readUInt32BE() / 2 ** 32
  return new Date(notBefore.getTime() + life * (2 / 3 - jitter * share))
}
