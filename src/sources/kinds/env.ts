import { z } from "zod"
import { Secret } from "../../base/secret.ts"
import { tooLarge } from "../bounded-read.ts"
import type { SourceKind } from "../kind.ts"
import type { Source } from "../source.ts"

export interface EnvSpec {
  readonly kind: "env"
  readonly variable: string
}

const schema = z.strictObject({
  env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: "not the name of a variable" })
    .describe("a variable in the environment of the agent; an empty one counts as absent"),
})

export const envKind: SourceKind<typeof schema, EnvSpec> = {
  name: "env",
  schema,
  resolve: ({ env }) => ({ kind: "env", variable: env }),
  open: ({ env, maxBytes }) => ({ source: ({ variable }) => envSource(variable, env, maxBytes) }),
  missingHint: ({ variable }) => `set ${variable} where the agent runs`,
}

/** Reads one variable. An empty one counts as absent, because Compose passes on an unset variable as an empty one. */
function envSource(variable: string, env: NodeJS.ProcessEnv, maxBytes: number): Source {
  return {
    read() {
      const text = env[variable]
      if (text === undefined || text === "") return Promise.resolve(null)
      const secret = new Secret(text)
      if (secret.sizeBytes > maxBytes) return Promise.reject(tooLarge(`the variable ${variable}`, maxBytes))
      return Promise.resolve(secret)
    },
  }
}
