import { isScalar, isSeq } from "yaml"
import {
  commandFindings,
  environmentFindings,
  healthCheckFindings,
  labelFindings,
  printableName,
} from "./checks/configured.ts"
import { requestedPaths, noTmpfsFindings, uncovered } from "./checks/delivery.ts"
import { ComposeYaml, literal } from "./compose-yaml.ts"
import type { CheckFinding } from "./finding.ts"
import { shapeOf } from "./secret-like.ts"

/** Checks a Compose file as written: a variable `${NAME}` counts as empty, and `${NAME:-default}` as its default. */

/** `name` is the file's name in findings. Throws `ERR_CONFIG` for invalid YAML. */
export function composeFileFindings(text: string, name: string): CheckFinding[] {
  const yaml = new ComposeYaml(text, name)
  return [
    ...yaml
      .entries(yaml.get("services"))
      .flatMap(({ key, value }) => serviceFindings(yaml, name, key, value)),
    ...configFindings(yaml, name),
  ]
}

function serviceFindings(yaml: ComposeYaml, file: string, name: string, service: unknown): CheckFinding[] {
  const part = (path: string): unknown => yaml.get(path, service)
  const locate = (found: readonly CheckFinding[], node: unknown): CheckFinding[] =>
    found.map((one) => ({
      ...one,
      message: `the service ${printableName(name)}: ${one.message}`,
      location: { file, line: yaml.lineOf(node) },
    }))
  const eachOf = (path: string, check: (key: string, value: string) => CheckFinding[]): CheckFinding[] =>
    assignmentsOf(yaml, part(path)).flatMap(({ key, value, at }) => locate(check(key, value), at))
  const asks = assignmentsOf(yaml, part("labels")).map(({ key, value }): [string, string] => [key, value])
  const paths = requestedPaths(Object.fromEntries(asks))
  return [
    ...eachOf("environment", (key, value) => environmentFindings([[key, value]])),
    ...eachOf("build.args", (key, value) => environmentFindings([[key, value]], "secret-in-build-argument")),
    ...["labels", "build.labels", "deploy.labels"].flatMap((path) =>
      eachOf(path, (key, value) => labelFindings({ [key]: value })),
    ),
    ...["command", "entrypoint"].flatMap((path) =>
      locate(commandFindings(wordsOf(yaml, part(path)), path), part(path)),
    ),
    ...locate(healthCheckFindings(wordsOf(yaml, part("healthcheck.test"))), part("healthcheck.test")),
    ...locate(
      paths === null ? [] : noTmpfsFindings(uncovered(paths, tmpfsOf(yaml, service))),
      part("labels"),
    ),
  ]
}

/** Finds secrets in configs, which every user who may see the stack can read. */
function configFindings(yaml: ComposeYaml, file: string): CheckFinding[] {
  return yaml.entries(yaml.get("configs")).flatMap(({ key, value }): CheckFinding[] => {
    const content = yaml.get("content", value)
    const reason = isScalar(content) ? shapeOf(literal(content.value)) : null
    if (reason === null) return []
    return [
      {
        rule: "secret-in-config",
        level: "error",
        message: `the config ${printableName(key)} is probably a secret: ${reason}`,
        fix: "make it one of the file's secrets:, or deliver it as a file in memory",
        location: { file, line: yaml.lineOf(content) },
      },
    ]
  })
}

/** Returns the assignments of a mapping or of a list of `NAME=value`. */
function assignmentsOf(yaml: ComposeYaml, node: unknown): { key: string; value: string; at: unknown }[] {
  const scalar = (value: unknown): string => {
    const inner = yaml.resolve(value)
    return literal(isScalar(inner) ? inner.value : "")
  }
  return [
    ...yaml.entries(node).map(({ key, at, value }) => ({ key, at, value: scalar(value) })),
    ...yaml.items(node).flatMap((item) => {
      const inner = yaml.resolve(item)
      if (!isScalar(inner)) return []
      const [key = "", ...rest] = String(inner.value).split("=")
      return [{ key, value: literal(rest.join("=")), at: inner }]
    }),
  ]
}

/**
 * Returns a command's words. A single text is a shell program; the space at its end makes secretsInCommand split it.
 */
function wordsOf(yaml: ComposeYaml, node: unknown): string[] {
  if (isScalar(node)) return [`${literal(node.value)} `]
  return isSeq(node)
    ? yaml.items(node).map((item) => {
        const inner = yaml.resolve(item)
        return literal(isScalar(inner) ? inner.value : "")
      })
    : []
}

/** Returns the mount points of the service's tmpfs mounts: by `tmpfs:`, by a mount, or by a volume of that type. */
function tmpfsOf(yaml: ComposeYaml, service: unknown): string[] {
  const volumes = new Set(
    yaml.entries(yaml.get("volumes")).flatMap(({ key, value }) => {
      const type = yaml.get("driver_opts.type", value)
      return isScalar(type) && type.value === "tmpfs" ? [key] : []
    }),
  )
  const text = (node: unknown): string => (isScalar(node) ? String(node.value) : "")
  const tmpfs = yaml.get("tmpfs", service)
  const listed = [text(tmpfs), ...yaml.items(tmpfs).map((item) => text(yaml.resolve(item)))]
  return [
    ...listed.filter((one) => one !== "").map((one) => one.split(":")[0] ?? ""),
    ...yaml.items(yaml.get("volumes", service)).flatMap((item) => {
      const inner = yaml.resolve(item)
      if (isScalar(inner)) {
        const [source = "", target = ""] = String(inner.value).split(":")
        return volumes.has(source) ? [target] : []
      }
      const [type, source, target] = ["type", "source", "target"].map((key) => text(yaml.get(key, inner)))
      return type === "tmpfs" || (type === "volume" && volumes.has(source ?? "")) ? [target ?? ""] : []
    }),
  ]
}
