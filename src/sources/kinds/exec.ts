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
  /** The key to pick from JSON or YAML output; undefined for the whole output. */
  readonly key: string | undefined
  /** Whether to keep the newline at the end of the output. */
  readonly raw: boolean
}

/** The output limit if `key` is given, because the output may be larger than the secret picked from it. */
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
    report(
      "key and raw exclude each other",
      "leave out raw, because a value picked by key has no newline at its end",
    )
  },
  resolve: ({ exec, key, raw = false, timeout }, directory) => ({
    kind: "exec",
    // The schema requires at least one element.
    argv: exec as [string, ...string[]],
    directory,
    key,
    raw,
    timeoutMs: timeout,
  }),
  open: ({ env, maxBytes }) => ({ source: (spec) => execSource(spec, env, maxBytes) }),
}

/** Gives the output of a command without the newline at its end, or the value that `key` picks from it. */
function execSource(spec: ExecSpec, env: NodeJS.ProcessEnv, maxBytes: number): Source {
  return {
    async read(_name, signal) {
      const outputBytes = spec.key === undefined ? maxBytes : Math.max(maxBytes, leastOutputBytes)
      // Two bytes more for a line end, which does not count.
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
