/**
 * One file that needs no Node: Node's own program with the command line inside (its "single executable application").
 * Made on Linux for Linux; the compiled code is left out where the machine is of another kind than the one that it
 * is made for.
 */
import { chmod, copyFile, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { rolldown } from "rolldown"
import { bringNode, type Arch } from "../pinned-node.mjs"
import { run } from "../run.ts"

/** In every Node; postject looks for it to know that the program can take something in. */
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2"

/**
 * Writes `file` from the bundle in `directory` (`bundleCli`). `directory` gets the compiled chunks besides, and `work`
 * whatever else is needed on the way.
 */
export async function writeExecutable(
  { directory, work, arch }: { directory: string; work: string; arch: Arch },
  file: string,
): Promise<void> {
  const isOurs = arch === process.arch
  const node = bringNode(24)
  if (isOurs) await succeed(node, [join(import.meta.dirname, "compile.ts"), directory])
  const main = join(work, "main.cjs")
  await bundleMain(main)
  const blob = join(work, `${arch}.blob`)
  const config = join(work, `${arch}.json`)
  const names = (await readdir(directory)).filter(
    (name) => name.endsWith(".cjs") || (isOurs && name.endsWith(".compiled")),
  )
  await writeFile(
    config,
    JSON.stringify({
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: isOurs,
      // NODE_OPTIONS is not read: it could load code (--import) into whatever the executable runs as.
      execArgvExtension: "none",
      assets: Object.fromEntries(names.map((name) => [name, join(directory, name)])),
    }),
  )
  await succeed(node, ["--experimental-sea-config", config])
  await copyFile(bringNode(24, arch), file)
  await chmod(file, 0o755)
  await succeed("postject", [file, "NODE_SEA_BLOB", blob, "--sentinel-fuse", fuse])
}

async function bundleMain(file: string): Promise<void> {
  await using build = await rolldown({
    input: join(import.meta.dirname, "main.ts"),
    platform: "node",
    external: /^node:/,
  })
  await build.write({ file, format: "cjs", strict: true })
}

async function succeed(command: string, args: readonly string[]): Promise<void> {
  const code = await run(command, args, { quiet: true })
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}`)
}
