import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node, type YAMLMap } from "yaml"
import { PurserError } from "../base/errors.ts"
import {
  commandFindings,
  environmentFindings,
  healthCheckFindings,
  labelFindings,
} from "./checks/configured.ts"
import { askedPaths, noTmpfs, uncovered } from "./checks/delivery.ts"
import type { Found } from "./finding.ts"

/** A Compose file as it is written: `${NAME}` is no value, and its default is one. */

/** `name` is how findings call the file. Throws `ERR_CONFIG` for what is no YAML. */
export function composeFileFindings(text: string, name: string): Found[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: true, logLevel: "silent" })
  const [problem] = document.errors
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0])
    throw new PurserError("ERR_CONFIG", `${name}:${line}:${col}: this is no YAML: ${problem.code}`, {
      hint: "docker compose config says more",
    })
  }
  const at = (node: Node | null | undefined) => ({
    location: { file: name, line: lines.linePos(node?.range?.[0] ?? 0).line },
  })
  const services = document.get("services")
  if (!isMap(services)) return []
  const tmpfsVolumes = tmpfsVolumesOf(document.toJS({ maxAliasCount: 100 }) as unknown)
  return services.items.flatMap(({ key, value }) => {
    const service = resolve(value)
    if (!isMap(service)) return []
    const of = `the service ${isScalar(key) ? String(key.value) : "?"}`
    const part = (path: string): Node | null | undefined =>
      resolve(
        path.split(".").reduce<unknown>((map, step) => {
          const inner = resolve(map)
          return isMap(inner) ? inner.get(step, true) : undefined
        }, service),
      ) as Node | null | undefined
    const told = (found: Found[], node: Node | null | undefined): Found[] =>
      found.map((one) => ({ ...one, message: `${of}: ${one.message}`, ...at(node) }))
    const labels = entriesOf(part("labels"))
    const paths = askedPaths(Object.fromEntries(labels.map(({ name: label, value: text }) => [label, text])))
    return [
      ...entriesOf(part("environment")).flatMap(({ name: variable, value: text, node }) =>
        told(environmentFindings([[variable, text]]), node),
      ),
      ...entriesOf(part("build.args")).flatMap(({ name: argument, value: text, node }) =>
        told(environmentFindings([[argument, text]], "secret-in-build-argument"), node),
      ),
      ...labels.flatMap(({ name: label, value: text, node }) => told(labelFindings({ [label]: text }), node)),
      ...["command", "entrypoint"].flatMap((name) => told(commandFindings(wordsOf(part(name))), part(name))),
      ...told(healthCheckFindings(wordsOf(part("healthcheck.test"))), part("healthcheck.test")),
      ...told(
        paths === null ? [] : noTmpfs(uncovered(paths, tmpfsOf(service, tmpfsVolumes))),
        part("labels"),
      ),
    ]
  })

  function resolve(node: unknown): unknown {
    return typeof node === "object" && node !== null && "source" in node && "resolve" in node
      ? (node as { resolve: (of: typeof document) => unknown }).resolve(document)
      : node
  }

  /** Of a map, or of a list of `NAME=value`. */
  function entriesOf(
    node: Node | null | undefined,
  ): { name: string; value: string; node: Node | undefined }[] {
    if (isMap(node)) {
      return node.items.flatMap(({ key, value }) => {
        const inner = resolve(value)
        return isScalar(key)
          ? [
              {
                name: String(key.value),
                value: literal(isScalar(inner) ? inner.value : ""),
                node: key as Node,
              },
            ]
          : []
      })
    }
    if (!isSeq(node)) return []
    return node.items.flatMap((item) => {
      const inner = resolve(item)
      if (!isScalar(inner)) return []
      const [name = "", ...rest] = String(inner.value).split("=")
      return [{ name, value: literal(rest.join("=")), node: inner as Node }]
    })
  }

  function wordsOf(node: Node | null | undefined): string[] {
    if (isScalar(node)) return [`${literal(node.value)} `]
    return isSeq(node) ? node.items.map((item) => literal(isScalar(item) ? item.value : "")) : []
  }

  function tmpfsOf(service: YAMLMap, volumes: ReadonlySet<string>): string[] {
    const plain = service.toJS(document) as { tmpfs?: unknown; volumes?: unknown }
    const listed =
      typeof plain.tmpfs === "string" ? [plain.tmpfs] : Array.isArray(plain.tmpfs) ? plain.tmpfs : []
    const mounted = Array.isArray(plain.volumes) ? plain.volumes : []
    return [
      ...listed.map((one) => String(one).split(":")[0] ?? ""),
      ...mounted.flatMap((one: unknown) => {
        if (typeof one === "string") {
          const [source = "", target = ""] = one.split(":")
          return volumes.has(source) ? [target] : []
        }
        const { type, source, target } = (one ?? {}) as Record<string, unknown>
        return type === "tmpfs" || (type === "volume" && volumes.has(String(source))) ? [String(target)] : []
      }),
    ]
  }
}

function tmpfsVolumesOf(file: unknown): ReadonlySet<string> {
  const volumes = (file as { volumes?: Record<string, { driver_opts?: { type?: unknown } } | null> } | null)
    ?.volumes
  return new Set(
    Object.entries(volumes ?? {}).flatMap(([name, volume]) =>
      volume?.driver_opts?.type === "tmpfs" ? [name] : [],
    ),
  )
}

/** What Compose would put in by itself: of `${NAME:-default}` the default, of other variables nothing. */
function literal(value: unknown): string {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : ""
  return text
    .replace(/\$\$/g, "\u0000")
    .replace(/\$\{\w+:?-([^}]*)\}/g, "$1")
    .replace(/\$\{\w+(?::?[?+][^}]*)?\}|\$\w+/g, "")
    .replaceAll("\u0000", "$")
}
