import { dirname, isAbsolute, join } from "node:path"
import { homedir } from "node:os"
import { isScalar } from "yaml"
import { environmentFindings, shown } from "./checks/configured.ts"
import { hostFileFindings, readSmall } from "./checks/host-files.ts"
import { ComposeYaml, literal } from "./compose-yaml.ts"
import type { Found } from "./finding.ts"

/** The files that a Compose file names, as far as they are there: what they put into environments, keys, certificates. */

/** `name` is the Compose file's path; what it names is beside it. Throws `ERR_CONFIG` for what is no YAML. */
export async function besideComposeFile(
  text: string,
  name: string,
  now: Date = new Date(),
): Promise<Found[]> {
  const yaml = new ComposeYaml(text, name)
  const directory = dirname(name)
  const found: Found[] = []
  const looked = new Set<string>()
  const look = async (node: unknown): Promise<void> => {
    const path = pathOf(node, directory)
    if (path === null || looked.has(path)) return
    looked.add(path)
    const location = { file: name, line: yaml.lineOf(node) }
    found.push(...(await hostFileFindings(path, now)).map((one) => ({ ...one, location })))
  }
  for (const { key, value: service } of yaml.entries(yaml.get("services"))) {
    const listed = yaml.get("env_file", service)
    const items = isScalar(listed) ? [listed] : yaml.items(listed).map((item) => yaml.resolve(item))
    for (const item of items) {
      const path = pathOf(isScalar(item) ? item : yaml.get("path", item), directory)
      if (path !== null) found.push(...(await envFileFindings(path, key)))
    }
    for (const item of yaml.items(yaml.get("volumes", service))) {
      const inner = yaml.resolve(item)
      // What begins otherwise is a volume's name.
      if (/^[./~]/.test(textOf(inner))) await look(inner)
      else if (textOf(yaml.get("type", inner)) === "bind") await look(yaml.get("source", inner))
    }
  }
  for (const kind of ["secrets", "configs"])
    for (const { value } of yaml.entries(yaml.get(kind))) await look(yaml.get("file", value))
  return found
}

async function envFileFindings(path: string, service: string): Promise<Found[]> {
  const file = await readSmall(path)
  if (file === null) return []
  return file.text.split(/\r?\n/).flatMap((line, index) => {
    const [, variable, value = ""] = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/s.exec(line) ?? []
    if (variable === undefined) return []
    const plain = literal(value.replace(/^(["'])(.*)\1$/s, "$2"))
    return environmentFindings([[variable, plain]]).map((one) => ({
      ...one,
      message: `the service ${shown(service)}: ${one.message}`,
      location: { file: path, line: index + 1 },
    }))
  })
}

/** Null for what only Compose's own environment knows. */
function pathOf(node: unknown, directory: string): string | null {
  const text = textOf(node)
  // `SOURCE:TARGET[:MODE]`
  const source = text.split(":")[0] ?? ""
  if (source === "" || source.includes("$")) return null
  if (source === "~" || source.startsWith("~/")) return join(homedir(), source.slice(1))
  if (isAbsolute(source)) return source
  return join(directory, source)
}

function textOf(node: unknown): string {
  return isScalar(node) ? String(node.value) : ""
}
