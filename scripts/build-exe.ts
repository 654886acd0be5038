/**
 * Builds `dist/exe/purser-linux-x64` and `purser-linux-arm64`: the command line as one file that needs no Node. Built
 * aside and moved into place, as `dist/` is by `build.ts`, which removes these.
 *
 *   node scripts/build-exe.ts [x64|arm64 …]
 */
import { copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { bundleCli } from "./bundle-cli.ts"
import { writeExecutable } from "./executable/executable.ts"
import { licencesOf } from "./licences.ts"
import { pinnedNodePath, type Arch } from "./pinned-node.mjs"

const root = resolve(import.meta.dirname, "..")
const out = join(root, "dist/exe")
const known: readonly Arch[] = ["x64", "arm64"]
const wanted = process.argv.length > 2 ? known.filter((arch) => process.argv.includes(arch)) : known

await mkdir(join(root, ".cache"), { recursive: true })
const work = await mkdtemp(join(root, ".cache/build-exe-"))
try {
  if (process.platform !== "linux") throw new Error("executables are made on Linux")
  const directory = join(work, "cli")
  const { packages } = await bundleCli(join(root, "src/cli/main.ts"), directory)
  await mkdir(out, { recursive: true })
  for (const arch of wanted) {
    const name = `purser-linux-${arch}`
    await writeExecutable({ directory, work, arch }, join(work, name))
    // Copied, as an installation would: written in one piece, the file stands in the page cache in large pieces too,
    // and each that is touched counts as a whole towards the memory of a process.
    await copyFile(join(work, name), join(work, `${name}.copy`))
    await rename(join(work, `${name}.copy`), join(out, name))
    const { size } = await stat(join(out, name))
    console.log(`build: dist/exe/${name} (${(size / 2 ** 20).toFixed(0)} MiB)`)
  }
  await writeFile(join(out, "THIRD-PARTY-LICENSES.txt"), await licencesOf([...packages, nodePackage()]))
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  await rm(work, { recursive: true, force: true })
}

/** Node's own program is in the executable as well. */
function nodePackage(): string {
  return resolve(pinnedNodePath(24), "../..")
}
