import { z } from "zod"
import { isDuration, parseDuration } from "../base/duration.ts"
import { PurserError, reasonOf } from "../base/errors.ts"
import { isGrant, isSecretName } from "../base/names.ts"

/** The scalars that the slices of `purser.yaml` share. A scalar may know its form, but not its key. */

/** A duration: text in YAML ("30s"), milliseconds once parsed. */
export const duration = z
  .string()
  .refine(isDuration, {
    error: "not a duration",
    params: { hint: "write a number and a unit: 250ms, 30s, 5m, 1h, 7d" },
  })
  .meta({ examples: ["30s", "5m", "1h"], pattern: "^\\d{1,9}(ms|s|m|h|d)$" })
  .transform(parseDuration)

/** The name of a secret, or a pattern. */
export const grant = z.string().refine(isGrant, {
  error: "not a name for a secret",
  params: {
    hint: "use one to eight segments of A-Z a-z 0-9 . _ - joined by /; the only patterns are a trailing /* and a bare *",
  },
})

/** The name of a certificate in the CA's records, which has the grammar of secret names. */
export const certificateName = z.string().refine(isSecretName, { error: "not a name for a certificate" })

/** A path as written; `configPath` makes it absolute. */
export const filePath = z.string().min(1)

/** A whole number, both bounds included. */
export function wholeNumber(least: number, most: number) {
  // Aborts at the first problem, so that a check over several keys does not report the same number again.
  return z.int().min(least, { abort: true }).max(most, { abort: true })
}

/** Text for one of our own parsers, whose error and hint become the reported problem. */
export function parsedBy<T>(parse: (text: string) => T) {
  return z.string().transform((text, context): T => {
    try {
      return parse(text)
    } catch (error) {
      const hint = error instanceof PurserError ? error.hint : undefined
      context.addIssue({ code: "custom", message: reasonOf(error), params: { hint } })
      return z.NEVER
    }
  })
}
