import { createHash } from "node:crypto"

/** Certificates made together would otherwise be renewed, and services reloaded, all at once. */
const jitter = 0.05

/** When it is to be renewed: two thirds into its life, less up to 5 % of it, always the same for the same serial (hex). */
export function dueAt(notBefore: Date, notAfter: Date, serial: string): Date {
  const life = notAfter.getTime() - notBefore.getTime()
  const share = createHash("sha256").update(serial).digest().readUInt32BE() / 2 ** 32
  return new Date(notBefore.getTime() + life * (2 / 3 - jitter * share))
}
