import assert from "node:assert/strict"
import { isPurserError, type ErrorCode } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { caSchema, resolveCa } from "../../src/ca/config.ts"
import type { SourceHost, SourceKind, SpecBase } from "../../src/sources/kind.ts"
import type { Source } from "../../src/sources/source.ts"

/** Opens one source of a kind, as a catalogue does. */

export const limit = 1024
export const { signal } = new AbortController()

export function sourceOf<Spec extends SpecBase>(
  kind: Pick<SourceKind<never, Spec>, "open">,
  spec: Spec,
  host: Partial<SourceHost> = {},
): Source {
  return kind.open({ ...emptyHost, ...host }).source(spec)
}

const emptyHost: SourceHost = {
  env: {},
  log: silentLog,
  maxBytes: limit,
  caConfig: resolveCa(caSchema.parse({}), "/"),
  store: () => assert.fail("no store is wanted here"),
  ca: () => assert.fail("no CA is wanted here"),
  onIssued: undefined,
  namedFiles: new Set(),
}

export function code(expected: ErrorCode, message = /./) {
  return (error: unknown): boolean => {
    assert.ok(isPurserError(error, expected), String(error))
    assert.match(error.message, message)
    return true
  }
}
