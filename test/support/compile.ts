import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import type { TestContext } from "node:test"
import { tempDir } from "./temp.ts"

const root = resolve(import.meta.dirname, "../..")

/**
 * Compiles each text as a module of its own, with this project's options; `src/…` in its imports is our source.
 * Resolves with the first complaint about each of them that has one, as `TS2353: …`.
 */
export async function compileErrors<Name extends string>(
  t: TestContext,
  texts: Readonly<Record<Name, string>>,
): Promise<ReadonlyMap<Name, string>> {
  const dir = await tempDir(t)
  const names = Object.keys(texts) as Name[]
  const src = JSON.stringify(join(root, "src")).slice(1, -1)
  for (const [index, name] of names.entries())
    await writeFile(join(dir, `text${index}.mts`), texts[name].replaceAll('"src/', `"${src}/`))
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { noUnusedLocals: false, typeRoots: [join(root, "node_modules/@types")] },
    include: ["*.mts"],
  }
  await writeFile(join(dir, "tsconfig.json"), JSON.stringify(config))
  const complaints = await new Promise<string>((done, fail) => {
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    execFile(process.execPath, [tsc, "-p", dir, "--pretty", "false"], (error, stdout, stderr) => {
      if (error === null || stdout !== "") done(stdout)
      else fail(new Error(`tsc did not run: ${stderr}`, { cause: error }))
    })
  })
  const found = new Map<Name, string>()
  for (const [, index = "", complaint = ""] of complaints.matchAll(
    /text(\d+)\.mts\(\d+,\d+\): error (.*)/g,
  )) {
    const name = names[Number(index)]
    if (name !== undefined && !found.has(name)) found.set(name, complaint)
  }
  if (complaints !== "" && found.size === 0) throw new Error(complaints)
  return new Map(names.flatMap((name) => (found.has(name) ? [[name, found.get(name) ?? ""]] : [])))
}
