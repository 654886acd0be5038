import { homedir } from "node:os"
import { listContainers } from "../../docker/containers.ts"
import { openEngine } from "../../wiring/open-engine.ts"
import { openStore } from "../../wiring/open-store.ts"
import { commandConfig } from "../load-config.ts"
import type { Place } from "./place.ts"

/** The kind of a value. Purser completes some kinds, the shell completes files and directories, and neither completes "unknown". */
export type ValueKind =
  "secret" | "app" | "container" | "container-or-file" | "file" | "directory" | "unknown"

/** The limit for listing containers, because the shell waits for the answer. */
const engineTimeoutMs = 1_500

const byOption: Readonly<Record<string, ValueKind>> = {
  "--secret": "secret",
  "--app": "app",
  "--container": "container",
}

const byPlaceholder: Readonly<Record<string, ValueKind>> = {
  file: "file",
  "compose.yaml": "file",
  files: "file",
  csr: "file",
  what: "file",
  dir: "directory",
  path: "directory",
  app: "app",
  destination: "container",
}

/** The kind by the option's name, else by the placeholder in the help. */
export function valueKindOf({ spec: { path }, option, arg }: Place): ValueKind {
  const placeholder = option?.value?.placeholder ?? arg?.placeholder ?? ""
  if (option !== undefined)
    return byOption[option.names.at(-1) ?? ""] ?? byPlaceholder[placeholder] ?? "unknown"
  if (path === "cp") return "container-or-file"
  if (/^secret \w+$/.test(path) && /^names?$/.test(placeholder)) return "secret"
  return byPlaceholder[placeholder] ?? "unknown"
}

export interface CompletionContext {
  readonly env: NodeJS.ProcessEnv
  readonly state: string | undefined
  readonly config: string | undefined
}

/** Resolves with the names of a kind. Throws the errors of the engine, the configuration and the store. */
export async function namesOfKind(kind: ValueKind, context: CompletionContext): Promise<readonly string[]> {
  if (kind === "secret") return await openStore(await commandConfig(context), {}).names()
  if (kind === "app") return Object.keys((await commandConfig(context)).apps)
  if (kind !== "container" && kind !== "container-or-file") return []
  const signal = AbortSignal.timeout(engineTimeoutMs)
  const { env } = context
  await using engine = await openEngine({ env, home: homedir() }, signal)
  return (await listContainers(engine, {}, signal)).flatMap(({ names }) => names.slice(0, 1))
}
