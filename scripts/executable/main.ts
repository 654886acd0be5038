/** The first code that runs in the executable: starts the command line from the chunks that the executable holds. */
import { getAssetKeys, getRawAsset } from "node:sea"
import { compileChunk, loaderOf } from "./chunks.ts"

const kept = new Set(getAssetKeys())
const bytes = (name: string): Buffer => Buffer.from(getRawAsset(name))

loaderOf((name) => {
  const compiled = `${name}.compiled`
  return compileChunk(name, bytes(name).toString("utf8"), kept.has(compiled) ? bytes(compiled) : undefined)
})("main.cjs")
