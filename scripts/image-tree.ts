/** Makes the directory that `deploy/Dockerfile` copies: it holds the bundle and no package, and runs as it is. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"

/** Fills `target` with bin, the command line of `dist`, the licences and a package.json. */
export async function writeImageTree(root: string, dist: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true })
  const { name, version, license, type } = JSON.parse(
    await readFile(join(root, "package.json"), "utf8"),
  ) as Record<string, unknown>
  await writeFile(
    join(target, "package.json"),
    JSON.stringify({ name, version, license, type, private: true }, null, 2) + "\n",
  )
  await cp(join(root, "LICENSE"), join(target, "LICENSE"))
  await cp(join(root, "bin"), join(target, "bin"), { recursive: true })
  await cp(join(dist, "THIRD-PARTY-LICENSES.txt"), join(target, "dist", "THIRD-PARTY-LICENSES.txt"))
  // Lines and names in the bundle are those of the source: who reads a stack trace there needs no map.
  await cp(join(dist, "cli"), join(target, "dist", "cli"), {
    recursive: true,
    filter: (path) => !path.endsWith(".map"),
  })
}
