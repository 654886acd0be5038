/**
 * What `deploy/Dockerfile` copies: a directory that runs as it is, with the packages that the lock file
 * counts as needed in production, taken from node_modules, so that no network is used.
 */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises"
import { existsSync } from "node:fs"
import { join } from "node:path"

interface LockEntry {
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly optional?: boolean
}

/** What nobody runs. Licences stay. */
const unneeded = /\.(?:d\.[cm]?ts|map|md|[cm]?ts)$/

/** Fills `target` with bin, the compiled `dist`, package.json, LICENSE and node_modules. */
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
  await cp(dist, join(target, "dist"), { recursive: true, filter: (path) => !unneeded.test(path) })
  for (const path of await productionPackages(root)) {
    await cp(join(root, path), join(target, path), {
      recursive: true,
      // A package inside another has an entry, and its turn, of its own.
      filter: (from) =>
        !unneeded.test(from) && !from.slice(join(root, path).length + 1).startsWith("node_modules"),
    })
  }
}

/** Paths such as `node_modules/zod` of every package that is not for development only. */
export async function productionPackages(root: string): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockEntry>
  }
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path !== "" && dev !== true && devOptional !== true)
    .filter(([path, { optional }]) => optional !== true || existsSync(join(root, path)))
    .map(([path]) => path)
}
