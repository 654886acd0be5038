import { z } from "zod"
import { quote } from "../../base/names.ts"
import { Secret } from "../../base/secret.ts"
import { duration } from "../../config/scalars.ts"
import { tooLarge } from "../bounded-read.ts"
import { runCommand, type CommandToRun } from "../exec/run.ts"
import type { SourceKind } from "../kind.ts"
import type { Source } from "../source.ts"

export interface ExecSpec extends CommandToRun {
  readonly kind: "exec"
  /** Picks from JSON or YAML output; undefined: all of the output. */
  readonly key: string | undefined
  /** Keep the newline at the end of the output. */
  readonly raw: boolean
}

/** With `key`, the output may be larger than the secret that is picked from it. */
const leastOutputBytes = 1024 * 1024

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

/** The output of a command, without the newline at its end, or what `key` picks from it. */
function execSource(spec: ExecSpec, env: NodeJS.ProcessEnv, maxBytes: number): Source {
  return {
    async read(_name, signal) {
      const outputBytes = spec.key === undefined ? maxBytes : Math.max(maxBytes, leastOutputBytes)
      // Two more for the newline that does not count.
      const output = await runCommand(spec, env, outputBytes + 2, signal)
      if (output === null) throw tooLarge(`the output of ${quote(spec.argv[0])}`, outputBytes)
      const secret = await secretOf(output, spec)
      if (secret !== null && secret.sizeBytes > maxBytes)
        throw tooLarge(`the output of ${quote(spec.argv[0])}`, maxBytes)
      return secret
    },
  }
}

async function secretOf(output: Buffer, { key, raw, argv }: ExecSpec): Promise<Secret | null> {
  if (key !== undefined) {
    const { pick } = await import("../exec/pick.ts")
    const text = pick(output.toString("utf8"), key, quote(argv[0]))
    return text === null ? null : new Secret(text)
  }
  if (raw || output.at(-1) !== 0x0a) return new Secret(output)
  return new Secret(output.subarray(0, output.at(-2) === 0x0d ? -2 : -1))
}
