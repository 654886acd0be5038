import { Secret } from "../base/secret.ts"
import { tooLarge } from "./bounded-read.ts"
import type { Source } from "./source.ts"

/** One variable. An empty one counts as absent: that is how Compose passes on what nobody set. */
export function envSource(variable: string, env: NodeJS.ProcessEnv, maxBytes: number): Source {
  return {
    kind: "env",
    read() {
      const text = env[variable]
      if (text === undefined || text === "") return Promise.resolve(null)
      const secret = new Secret(text)
      if (secret.sizeBytes > maxBytes) return Promise.reject(tooLarge(`the variable ${variable}`, maxBytes))
      return Promise.resolve(secret)
    },
  }
}
