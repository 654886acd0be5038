import { dirname, isAbsolute, join } from "node:path"
import { homedir } from "node:os"
import { isScalar } from "yaml"
import { environmentFindings, printableName } from "./checks/configured.ts"
import { hostFileFindings, readSmall } from "./checks/host-files.ts"
import { ComposeYaml, literal } from "./compose-yaml.ts"
import type { CheckFinding } from "./finding.ts"

/** Checks the files that a Compose file names, as far as they exist: env files, mounted keys and certificates. */

/** `name` is the Compose file's path, which relative paths in it start from. Throws `ERR_CONFIG` for invalid YAML. */
export async function besideComposeFile(
  text: string,
  name: string,
  now: Date = new Date(),
): Promise<CheckFinding[]> {
  const yaml = new ComposeYaml(text, name)
  const directory = dirname(name)
  const found: CheckFinding[] = []
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
      // A source that begins otherwise is a volume's name.
      if (/^[./~]/.test(textOf(inner))) await look(inner)
      else if (textOf(yaml.get("type", inner)) === "bind") await look(yaml.get("source", inner))
    }
  }
  for (const kind of ["secrets", "configs"])
    for (const { value } of yaml.entries(yaml.get(kind))) await look(yaml.get("file", value))
  return found
}

async function envFileFindings(path: string, service: string): Promise<CheckFinding[]> {
  const file = await readSmall(path)
  if (file === null) return []
  return file.text.split(/\r?\n/).flatMap((line, index) => {
    const [, variable, value = ""] = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/s.exec(line) ?? []
    if (variable === undefined) return []
    const plain = literal(value.replace(/^(["'])(.*)\1$/s, "$2"))
    return environmentFindings([[variable, plain]]).map((one) => ({
      ...one,
      message: `the service ${printableName(service)}: ${one.message}`,
      location: { file: path, line: index + 1 },
    }))
  })
}

/** Returns the host path of a mount or file. Null if it holds a variable, which only Compose can resolve. */
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
