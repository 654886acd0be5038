import { execFile } from "node:child_process"
import { once } from "node:events"
import { createReadStream, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import { tempDir } from "./temp.ts"

/** An npm registry on the loopback that has what is installed here, so that a test installs packages without a network. */

interface Packed {
  readonly name: string
  readonly version: string
  readonly filename: string
  readonly integrity: string
  readonly shasum: string
}

/** Serves the packages in these directories, packed again. Resolves with its URL; closed after the test. */
export async function startRegistry(t: TestContext, directories: readonly string[]): Promise<string> {
  const archives = await tempDir(t)
  const flags = ["--json", "--ignore-scripts", `--pack-destination=${archives}`]
  const { stdout } = await promisify(execFile)("npm", ["pack", ...flags, ...directories], {
    maxBuffer: 2 ** 26,
  })
  const packed = Object.values(JSON.parse(stdout) as Record<string, Packed>)
  const manifests = directories.map(
    (directory) => JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Partial<Packed>,
  )
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "").slice(1)
    const archive = packed.find(({ filename }) => path === `-/${filename}`)
    if (archive !== undefined) return void createReadStream(join(archives, archive.filename)).pipe(response)
    const versions = packed.filter(({ name }) => name === path)
    if (versions.length === 0) return void response.writeHead(404).end("{}")
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(document(path, versions, manifests, `http://${request.headers.host}`)))
  }).listen(0, "127.0.0.1")
  t.after(() => server.close())
  await once(server, "listening")
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** What a registry tells of a package. */
function document(
  name: string,
  packed: readonly Packed[],
  manifests: readonly Partial<Packed>[],
  base: string,
) {
  const versions = packed.map(({ version, filename, integrity, shasum }) => [
    version,
    {
      ...manifests.find((one) => one.name === name && one.version === version),
      dist: { tarball: `${base}/-/${filename}`, integrity, shasum },
    },
  ])
  return { name, "dist-tags": { latest: packed.at(-1)?.version }, versions: Object.fromEntries(versions) }
}
