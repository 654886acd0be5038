import { PurserError } from "./errors.ts"
import { quote } from "./names.ts"

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

export function isDuration(text: string): boolean {
  return /^\d{1,9}(ms|s|m|h|d)$/.test(text)
}

/** Parses a duration such as `250ms`, `30s`, `5m`, `1h` or `7d` into milliseconds. Throws `ERR_USAGE`. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (!match) {
    throw new PurserError("ERR_USAGE", `${quote(text)} is not a duration`, {
      hint: "write a number and a unit: 250ms, 30s, 5m, 1h, 7d",
    })
  }
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]
}
