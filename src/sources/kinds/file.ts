import { resolve } from "node:path"
import { z } from "zod"
import { Secret } from "../../base/secret.ts"
import { configPath } from "../../config/path.ts"
import { filePath } from "../../config/scalars.ts"
import { readBounded } from "../bounded-read.ts"
import type { SourceKind } from "../kind.ts"
import type { Source } from "../source.ts"

export interface FileSpec {
  readonly kind: "file"
  readonly path: string
}

const schema = z.strictObject({ file: filePath.describe("the content of this file") })

export const fileKind: SourceKind<typeof schema, FileSpec> = {
  name: "file",
  schema,
  resolve: ({ file }, directory) => ({ kind: "file", path: configPath(file, directory) }),
  files: ({ path }) => [resolve(path)],
  open: ({ maxBytes }) => ({ source: ({ path }) => fileSource(path, maxBytes) }),
  missingHint: ({ path }) => `there is no ${path}`,
}

/** Reads one file. Links are followed, because the operator chose the path. */
function fileSource(path: string, maxBytes: number): Source {
  return {
    async read() {
      const bytes = await readBounded(path, maxBytes)
      return bytes === null ? null : new Secret(bytes)
    },
  }
}
