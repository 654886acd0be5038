/** `THIRD-PARTY-LICENSES.txt`: what the authors of the bundled packages ask to be passed on with their code. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
}

const licenceFile = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i

/**
 * Returns the text for packages in these directories: each one's name, version, licence, and the words of its licence
 * files. Throws for a package without any, because then nobody has read what it asks for.
 */
export async function licencesOf(packages: readonly string[]): Promise<string> {
  const parts = await Promise.all(packages.map((directory) => licenceOf(directory)))
  const heading =
    "Purser's own licence is in LICENSE. This program also holds code of the following packages.\n"
  return [heading, ...parts].join(`\n${"-".repeat(80)}\n\n`)
}

async function licenceOf(directory: string): Promise<string> {
  const { name, version, license } = JSON.parse(
    await readFile(join(directory, "package.json"), "utf8"),
  ) as Manifest
  const files = (await readdir(directory)).filter((file) => licenceFile.test(file)).sort()
  if (files.length === 0 || license === undefined)
    throw new Error(`the package ${name} has no licence to pass on`)
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")))
  return [`${name} ${version} (${license})\n`, ...texts.map((text) => `${text.trim()}\n`)].join("\n")
}
