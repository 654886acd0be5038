import { z } from "zod"
import { duration } from "../../config/scalars.ts"
import { execSource, type ExecSpec } from "../exec.ts"
import type { SourceKind } from "../kind.ts"

const schema = z.strictObject({
  exec: z.array(z.string()).min(1).describe("program and arguments, run without a shell"),
  key: z.string().min(1).optional().describe("picks a.b from JSON or YAML output"),
  raw: z.boolean().optional().describe("keep the newline at the end of the output"),
  timeout: duration.prefault("30s").describe("time limit"),
})

export const execKind: SourceKind<typeof schema, ExecSpec> = {
  name: "exec",
  schema,
  check({ key, raw }, { report }) {
    if (key === undefined || raw !== true) return
    report("key and raw exclude each other", "leave out raw: what key picks has no newline of the output")
  },
  resolve: ({ exec, key, raw = false, timeout }, directory) => ({
    kind: "exec",
    // The schema wants one at least.
    argv: exec as [string, ...string[]],
    directory,
    key,
    raw,
    timeoutMs: timeout,
  }),
  open: ({ env, maxBytes }) => ({ source: (spec) => execSource(spec, env, maxBytes) }),
}
