/** The first code that runs in the executable: starts the command line from the chunks that the executable holds. */
import { getAssetKeys, getRawAsset } from "node:sea"
import { compileChunk, loaderOf } from "./chunks.ts"

const kept = new Set(getAssetKeys())
// The chunks are ASCII (scripts/ascii.ts).
const bytes = (name: string): Buffer => Buffer.from(getRawAsset(name))

loaderOf((name) => {
  const compiled = `${name}.compiled`
  return compileChunk(name, bytes(name).toString("latin1"), kept.has(compiled) ? bytes(compiled) : undefined)
})("main.cjs")
