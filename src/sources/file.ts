import { Secret } from "../base/secret.ts"
import { readBounded } from "./bounded-read.ts"
import type { Source } from "./source.ts"

/** One file. Links are followed: the path is the operator's own. */
export function fileSource(path: string, maxBytes: number): Source {
  return {
    kind: "file",
    async read() {
      const bytes = await readBounded(path, maxBytes)
      return bytes === null ? null : new Secret(bytes)
    },
  }
}
