/**
 * Builds `dist/`, the package as published, and `dist/image`, what the container image holds:
 *
 *   dist/index.js, index.d.ts, …     the library as the compiler leaves it; its packages are dependencies
 *   dist/cli/                        the command line as a bundle, its packages inside
 *   dist/purser-node.mjs             the one-file receiver
 *   dist/THIRD-PARTY-LICENSES.txt    the licences of the packages in the bundle
 *
 * Built aside and moved into place at the end, so that a failed build leaves the old one, and no
 * program runs an incomplete one.
 */
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { bundleCli } from "./bundle-cli.ts"
import { writeReceiver } from "./bundle.ts"
import { writeImageTree } from "./image-tree.ts"
import { licencesOf } from "./licences.ts"
import { run } from "./run.ts"

const root = resolve(import.meta.dirname, "..")
const cache = join(root, ".cache")
const dist = join(root, "dist")

await mkdir(cache, { recursive: true })
const work = await mkdtemp(join(cache, "build-"))
try {
  const out = join(work, "dist")
  const code = await run(process.execPath, [
    "node_modules/typescript/bin/tsc",
    "-p",
    "tsconfig.build.json",
    "--outDir",
    out,
  ])
  if (code !== 0) throw new Error("the compiler found errors")
  const { files, packages } = await bundleCli(join(root, "src/cli/main.ts"), join(out, "cli"))
  await writeFile(join(out, "THIRD-PARTY-LICENSES.txt"), await licencesOf(packages))
  await writeImageTree(root, out, join(out, "image"))
  const size = await writeReceiver(join(root, "src/cli/node/receiver.ts"), join(out, "purser-node.mjs"))
  await rename(dist, join(work, "old")).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
  })
  await rename(out, dist)
  const chunks = files.filter((file) => file.endsWith(".cjs")).length
  console.log(
    `build: dist/ (the command line in ${chunks} chunks), dist/image and dist/purser-node.mjs (${(size / 1024).toFixed(1)} KiB)`,
  )
  if ((await run("publint", ["--strict"], { quiet: true })) !== 0) throw new Error("publint found errors")
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  await rm(work, { recursive: true, force: true })
}
