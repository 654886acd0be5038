/**
 * Builds `dist/`: the package as published, `dist/purser-node.mjs` (the one-file receiver) and `dist/image`
 * (what the container image holds). Built aside and moved into place at the end, so that a failed build
 * leaves the old one, and nobody ever runs half of one.
 */
import { cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { join, resolve } from "node:path"
import { writeReceiver } from "./bundle.ts"
import { writeImageTree } from "./image-tree.ts"
import { run } from "./run.ts"

const root = resolve(import.meta.dirname, "..")
const cache = join(root, ".cache")
const dist = join(root, "dist")

await mkdir(cache, { recursive: true })
const work = await mkdtemp(join(cache, "build-"))
try {
  const compiled = join(work, "compiled")
  const code = await run("tsc", ["-p", "tsconfig.build.json", "--outDir", compiled])
  if (code !== 0) throw new Error("the compiler found errors")
  const out = join(work, "dist")
  await cp(compiled, out, { recursive: true })
  await writeImageTree(root, compiled, join(out, "image"))
  const size = await writeReceiver(join(root, "src/cli/node/receiver.ts"), join(out, "purser-node.mjs"))
  await rename(dist, join(work, "old")).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
  })
  await rename(out, dist)
  console.log(`build: dist/, dist/image and dist/purser-node.mjs (${(size / 1024).toFixed(1)} KiB)`)
  if ((await run("publint", ["--strict"], { quiet: true })) !== 0) throw new Error("publint found errors")
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  await rm(work, { recursive: true, force: true })
}
